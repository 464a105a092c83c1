//! Rows: where warm keys come from. A source is read as it flows, filled into keys and values, and handed on in batches, so that memory
//! stays the same however long it is.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use tokio::sync::mpsc;

use super::scan::Key;
use super::template::{Filler, Template};
use super::warm::{Shaper, Source, Warm};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ResourceId, text};
use crate::provider::{self, Connection, Neighbors, Problem};

/// Whether this build reads HTTP sources.
pub const READS_HTTP: bool = cfg!(feature = "http");

/// Batches that wait to be taken.
const WAITING: usize = 4;

/// What reading rows needs to know beside the source.
#[derive(Clone, Debug)]
pub struct Reach {
    /// What a passing client may wait.
    pub latency: Duration,
    /// The other targets.
    pub neighbors: Neighbors,
}

/// Some rows, filled in.
#[derive(Debug, Default)]
pub struct Batch {
    /// Keys and values.
    pub pairs: Vec<(Key, Vec<u8>)>,
    /// Complaints about rows that give none: `line 17: …`.
    pub broken: Vec<String>,
}

/// Begins to read `source`; the batches come in its order. An error is the last that comes.
///
/// # Errors
/// When it cannot be opened.
pub async fn read(
    source: &Source,
    key: Template,
    value: Template,
    size: usize,
    reach: &Reach,
) -> Result<mpsc::Receiver<Result<Batch>>> {
    let (batches, taken) = mpsc::channel(WAITING);
    let unit = if source.sql.is_some() { "row" } else { "line" };
    // A row that is wanted as a whole is asked for as a whole.
    let columns = if key.takes_row() || value.takes_row() { Vec::new() } else { named(&[&key, &value]) };
    let filling = Filling { filler: Filler::new(key, value), size, unit, line: 0, batch: Batch::default() };
    if let Some(path) = source.file.clone() {
        let file = std::fs::File::open(&path).map_err(|error| unreadable(&path, &error))?;
        tokio::task::spawn_blocking(move || read_file(&path, file, filling, &batches));
    } else if let Some(url) = source.http.clone() {
        read_http(url, filling, batches).await?;
    } else if let (Some(target), Some(sql)) = (source.target.clone(), source.sql.clone()) {
        let connection = reach.neighbors.connect(&target).await?;
        tokio::spawn(read_target(connection, target, sql, columns, filling, batches));
    } else {
        return Err(Error::bug("a source without rows was to be read"));
    }
    Ok(taken)
}

/// The columns that templates name.
fn named(templates: &[&Template]) -> Vec<String> {
    let mut names: Vec<String> = templates.iter().flat_map(|template| template.columns()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// What of `warm` its target would not take: the query itself, or a column that the result does not have.
///
/// # Errors
/// When the target cannot be asked.
pub async fn faults(id: &ResourceId, warm: &Warm, neighbors: &Neighbors) -> Result<Vec<Problem>> {
    let (Some(target), Some(sql)) = (&warm.source.target, &warm.source.sql) else { return Ok(Vec::new()) };
    let columns = match neighbors.connect(target).await?.columns(sql).await {
        Ok(columns) => columns,
        Err(error) if error.kind() == ErrorKind::Usage => {
            let problem = Problem::of(id, error.to_string()).at("source.sql");
            return Ok(vec![match error.next() {
                Some(hint) => problem.hint(hint),
                None => problem,
            }]);
        }
        Err(error) => return Err(error.context(format!("`{target}`"))),
    };
    let mut problems = Vec::new();
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
        let problem = Problem::of(id, format!("the query gives `{twice}` twice")).at("source.sql");
        problems.push(problem.hint(format!("name one of them otherwise: `… as {twice}_2`")));
    }
    let Ok(Shaper { key, value }) = warm.shaper() else { return Ok(problems) };
    for (at, template) in [("key", &key), ("value", &value)] {
        for name in named(&[template]).iter().filter(|name| !columns.contains(name)) {
            let problem = Problem::of(id, format!("the query gives no column `{name}`")).at(at);
            let near = text::nearest(name, columns.iter().map(String::as_str));
            problems.push(match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("it gives {}", text::list(&columns))),
            });
        }
    }
    Ok(problems)
}

/// Reads the rows of another target.
async fn read_target(
    connection: Box<dyn Connection>,
    target: String,
    sql: String,
    columns: Vec<String>,
    mut filling: Filling,
    batches: mpsc::Sender<Result<Batch>>,
) {
    let (sink, mut blocks) = provider::sink();
    let fill = async {
        while let Some(block) = blocks.recv().await {
            for line in block.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if let Some(batch) = filling.take(line)
                    && batches.send(Ok(batch)).await.is_err()
                {
                    // Nobody takes them any more: the query ends with its sink.
                    blocks.close();
                    return filling;
                }
            }
        }
        filling
    };
    let (result, filling) = tokio::join!(connection.rows(&sql, &columns, sink), fill);
    let last = filling.rest().map(Ok).into_iter();
    let end = result.err().map(|error| Err(error.context(format!("the source `{target}` broke off"))));
    for batch in last.chain(end) {
        if batches.send(batch).await.is_err() {
            return;
        }
    }
}

struct Filling {
    filler: Filler,
    size: usize,
    /// What to call a line.
    unit: &'static str,
    line: u64,
    batch: Batch,
}

impl Filling {
    /// Takes a line in, and gives a batch out when there are enough.
    fn take(&mut self, line: &[u8]) -> Option<Batch> {
        self.line += 1;
        if line.trim_ascii().is_empty() {
            return None;
        }
        let line = std::str::from_utf8(line).map_err(|error| error.to_string());
        match line.and_then(|line| self.filler.fill(line)) {
            Ok(pair) => self.batch.pairs.push(pair),
            Err(complaint) => self.batch.broken.push(format!("{} {}: {complaint}", self.unit, self.line)),
        }
        let is_full = self.batch.pairs.len() + self.batch.broken.len() >= self.size;
        is_full.then(|| {
            let next = Batch { pairs: Vec::with_capacity(self.size), broken: Vec::new() };
            std::mem::replace(&mut self.batch, next)
        })
    }

    fn rest(self) -> Option<Batch> {
        (!self.batch.pairs.is_empty() || !self.batch.broken.is_empty()).then_some(self.batch)
    }
}

fn read_file(path: &str, file: std::fs::File, mut filling: Filling, batches: &mpsc::Sender<Result<Batch>>) {
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        // Whoever took the batches may have had enough: then there is nothing left to do.
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {
                if let Some(batch) = filling.take(&line)
                    && batches.blocking_send(Ok(batch)).is_err()
                {
                    return;
                }
            }
            Err(error) => {
                let _ = batches.blocking_send(Err(unreadable(path, &error)));
                return;
            }
        }
    }
    if let Some(batch) = filling.rest() {
        let _ = batches.blocking_send(Ok(batch));
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::failed(format!("the source `{path}` cannot be read: {error}"))
        .hint("a path is taken from the folder in which evenkeel is run")
}

#[cfg(feature = "http")]
async fn read_http(url: String, mut filling: Filling, batches: mpsc::Sender<Result<Batch>>) -> Result<()> {
    // Its own text repeats the address, which is shown anyway, without query: that may hold a token.
    let shown = url.split('?').next().unwrap_or_default().to_owned();
    let failed = move |error: reqwest::Error| {
        // A body that ends before its end is told as one that cannot be decoded.
        let kind = if error.is_timeout() || error.is_connect() || error.is_body() || error.is_decode() {
            ErrorKind::Transient
        } else {
            ErrorKind::Failed
        };
        Error::new(kind, format!("the source `{shown}` cannot be read")).because(error.without_url())
    };
    // Somebody else in the process may have installed one: either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .build()
        .map_err(&failed)?;
    let mut answer = client.get(&url).send().await.and_then(reqwest::Response::error_for_status).map_err(&failed)?;
    tokio::spawn(async move {
        let mut rest: Vec<u8> = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    let mut chunk = &*chunk;
                    while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
                        rest.extend_from_slice(&chunk[..end]);
                        chunk = &chunk[end + 1..];
                        let full = filling.take(&rest);
                        rest.clear();
                        if let Some(batch) = full
                            && batches.send(Ok(batch)).await.is_err()
                        {
                            return;
                        }
                    }
                    rest.extend_from_slice(chunk);
                }
                Ok(None) => break,
                Err(error) => {
                    let _ = batches.send(Err(failed(error))).await;
                    return;
                }
            }
        }
        let last = filling.take(&rest);
        for batch in last.into_iter().chain(filling.rest()) {
            if batches.send(Ok(batch)).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

#[cfg(not(feature = "http"))]
async fn read_http(_: String, _: Filling, _: mpsc::Sender<Result<Batch>>) -> Result<()> {
    std::future::ready(Err(Error::bug("an HTTP source was to be read without HTTP"))).await
}
