//! Running the operation: what is as planned is changed in one write, read back, and the file follows. A certificate is read back by a handshake.

use std::time::Duration;

use super::Caddy;
use super::admin::{Admin, Body, Load, Sent};
use super::edit;
use super::op::{Op, Rotation};
use super::place::{Part, Spot};
use super::pool::Pool;
use super::probe;
use super::tls::{self, Shown};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Value;
use crate::provider::Progress;
use crate::provider::file::{self, Fingerprint, Snapshot};
use crate::providers::balancer::certificate::Material;
use crate::providers::balancer::conflict;

/// Between two looks at what a lost answer has done.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is looked.
const LOOKS: u32 = 8;

/// What is to be written, on one side.
#[derive(Debug)]
struct Written<T> {
    before: T,
    after: String,
    differs: bool,
}

impl Caddy {
    /// Runs the operation.
    ///
    /// # Errors
    /// As `Provider::run`.
    pub async fn perform(&self, op: &Op, progress: &Progress) -> Result<()> {
        if let Some(Rotation { tls, content, .. }) = &op.rotation {
            Material::fit(tls, content, self.now).await?;
        }
        let running = self.running(op).await?;
        let file = self.written(op).await?;
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(side) = running.as_ref().filter(|side| side.differs) {
            let (what, print) = match op.part {
                Part::Handler => ("the handler", seen.handler.as_ref()),
                Part::Server => ("the server of the handler", seen.server.as_ref()),
                Part::Apps | Part::Whole => ("caddy's configuration", seen.apps.as_ref()),
            };
            unchanged(what, print, &print_of(&side.before.text))?;
        }
        if let Some(side) = file.as_ref().filter(|side| side.differs) {
            let what = format!("`{}`", side.before.path.display());
            unchanged(&what, seen.file.as_ref(), &side.before.print)?;
        }
        let pool = match (&running, &file) {
            (Some(side), _) if side.differs => pool(&side.after, &side.before.spot.handler),
            (_, Some(side)) if side.differs => self.pool_of(&side.after),
            _ => return Ok(()),
        };
        probe::wait(&pool.check, &op.gate, op.within.std(), progress).await?;
        keeps(op, &pool).await?;
        if let (Some(admin), Some(side)) = (&self.admin, running.filter(|side| side.differs)) {
            progress.tell("writing to caddy", 0, 0);
            self.send(admin, op, side).await?;
        }
        if let Some(side) = file.filter(|side| side.differs) {
            let print = Fingerprint::of(side.after.as_bytes());
            file::replace(&side.before.path, Some(&side.before.print), side.after.into_bytes()).await?;
            self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).file = Some(print);
        }
        Ok(())
    }

    async fn running(&self, op: &Op) -> Result<Option<Written<Body>>> {
        let (Some(admin), Some(url)) = (&self.admin, &op.url) else { return Ok(None) };
        let before = admin.part(&self.place, op.part, url).await?;
        let after = edit::apply(&before.text, &before.spot, &op.edits).ok_or_else(|| gone("the handler"))?;
        let differs = after != before.text || unread(op).await;
        Ok(Some(Written { before, after, differs }))
    }

    async fn written(&self, op: &Op) -> Result<Option<Written<Snapshot>>> {
        let Some((before, text, spot)) = self.load().await? else { return Ok(None) };
        let after = edit::apply(&text, &spot, &op.edits).ok_or_else(|| gone("the file's handler"))?;
        Ok(Some(Written { differs: after != text, before, after }))
    }

    async fn send(&self, admin: &Admin, op: &Op, side: Written<Body>) -> Result<()> {
        let Some(tag) = &side.before.tag else {
            return Err(Error::failed("caddy gave the handler no tag, without which a write might overwrite somebody else's; nothing was written")
                .hint("name the handler by its path, from which the tag can be computed"));
        };
        let url = op.url.as_deref().unwrap_or_default();
        let load = match &op.rotation {
            Some(Rotation { anew: true, .. }) => Load::Anew,
            _ => Load::Changed,
        };
        match admin.replace(url, tag, load, side.after).await? {
            Sent::Done => match self.arrived(admin, op, LOOKS).await {
                Ok(true) => served(op).await,
                Ok(false) => Err(conflict("caddy took the change, and somebody else has changed it since")),
                Err(error) => {
                    Err(Error::new(ErrorKind::InDoubt, "caddy took the change and does not answer since")
                        .because(error))
                }
            },
            // Somebody who wanted the same may have been faster.
            Sent::Stale => match self.arrived(admin, op, 1).await {
                Ok(true) if !unread(op).await => Ok(()),
                _ => Err(conflict("the handler was changed by somebody else since it was read; nothing was written")),
            },
            Sent::Lost(lost) => match self.arrived(admin, op, LOOKS).await {
                Ok(true) if !unread(op).await => served(op).await,
                _ => Err(lost.context("it was sent, and nobody knows whether it was done")),
            },
        }
    }

    /// Whether the running Caddy has the change. The endpoint restarts with every write, so that one look may fail.
    async fn arrived(&self, admin: &Admin, op: &Op, looks: u32) -> Result<bool> {
        let mut last = Ok(false);
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let url = op.url.as_deref().unwrap_or_default();
            last = admin
                .part(&self.place, op.part, url)
                .await
                .map(|now| edit::apply(&now.text, &now.spot, &op.edits).is_some_and(|after| after == now.text));
            if matches!(last, Ok(true)) {
                break;
            }
        }
        last
    }

    /// The file, its text, and where the handler is in it.
    pub(super) async fn load(&self) -> Result<Option<(Snapshot, String, Spot)>> {
        let Some(config) = &self.settings.config else { return Ok(None) };
        let name = config.display();
        let snapshot = file::read(config).await?.ok_or_else(|| {
            Error::usage(format!("there is no `{name}`")).hint("`config` names the JSON file that caddy starts with")
        })?;
        let text = String::from_utf8(snapshot.bytes.clone())
            .map_err(|error| Error::usage(format!("`{name}` is not UTF-8")).because(error))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            Error::usage(format!("`{name}` is not JSON"))
                .because(error)
                .hint("a Caddyfile becomes JSON with `caddy adapt --config Caddyfile --pretty`; or leave `config` out")
        })?;
        let spot = self.place.locate(Part::Whole, &value).ok_or_else(|| {
            Error::usage(format!("`{name}` has no handler `{}`", self.settings.handler))
                .hint("the file needs the same `@id`, or the same path, as the running caddy")
        })?;
        Ok(Some((snapshot, text, spot)))
    }

    /// The handler in a whole configuration.
    pub(super) fn pool_of(&self, text: &str) -> Pool {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        self.place.locate(Part::Whole, &value).map(|spot| pool(text, &spot.handler)).unwrap_or_default()
    }
}

/// The handler at `path` of a text.
pub fn pool(text: &str, path: &[String]) -> Pool {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    super::place::step(&value, path).map(Pool::read).unwrap_or_default()
}

/// Whether clients are shown something else than what is in the files that Caddy names already.
async fn unread(op: &Op) -> bool {
    let Some(rotation) = op.rotation.as_ref().filter(|rotation| rotation.anew) else { return false };
    matches!(tls::shown(rotation).await, Shown::Other(_))
}

/// Clients are served the new certificate, where there is one and somebody can look.
async fn served(op: &Op) -> Result<()> {
    let Some(rotation) = &op.rotation else { return Ok(()) };
    let mut why = String::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match tls::shown(rotation).await {
            Shown::New => return Ok(()),
            Shown::Nothing if !rotation.seen => return Ok(()),
            Shown::Nothing => why = "clients are shown none".into(),
            Shown::Other(other) => why = other,
        }
    }
    Err(Error::failed(format!("caddy took the new certificate, and {why}"))
        .hint("look for another process on the same port, or for a policy of the server that comes before"))
}

/// What tells this part from every other, however it is spaced.
pub(super) fn print_of(text: &str) -> Fingerprint {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    Fingerprint::of(value.to_string().as_bytes())
}

/// Enough of the nodes that stay are still well.
async fn keeps(op: &Op, pool: &Pool) -> Result<()> {
    if op.floor == 0 {
        return Ok(());
    }
    let found = probe::all(&pool.check, pool.upstreams.iter().filter_map(super::pool::Upstream::address)).await;
    let well = found.values().filter(|why| why.is_none()).count();
    if well >= op.floor {
        return Ok(());
    }
    let all = crate::model::text::count(pool.upstreams.len(), "node");
    let what = format!("{well} of {all} would be healthy, {} are needed; nothing was written", op.floor);
    Err(conflict(what))
}

fn unchanged(what: &str, seen: Option<&Fingerprint>, now: &Fingerprint) -> Result<()> {
    if seen.is_some_and(|seen| seen != now) {
        return Err(conflict(format!("{what} was changed by somebody else since it was read; nothing was written")));
    }
    Ok(())
}

fn gone(what: &str) -> Error {
    conflict(format!("{what} is no longer as it was read; nothing was written"))
}
