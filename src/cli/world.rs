//! The world outside: streams, environment, clock, names. Everything below is told what it needs of it.

use std::fmt::Display;
use std::future::Future;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::args::Globals;
use super::exit::{Exit, Failure};
use crate::error::{Error, Result};
use crate::model::{Diagnostic, text};
use crate::policy::Sources;
use crate::provider::Holder;
use crate::render;
use crate::render::mask::mask_text;
use crate::render::progress::Listener;
use crate::render::style::{Colour, Style};

/// What the program may use of the world.
#[derive(Debug)]
pub struct World {
    quiet: bool,
    color: bool,
}

impl World {
    /// The world as the arguments and the environment have it.
    pub fn new(globals: &Globals) -> Self {
        let wanted = !globals.no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { quiet: globals.quiet, color: wanted }
    }

    /// Starts logging to stderr where `--log` asks for it.
    pub fn start_logging(&self, globals: &Globals) {
        let Some(filter) = &globals.log else { return };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_ansi(self.color && std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        // A second subscriber in one process only happens in tests.
        let _ = builder.try_init();
    }

    /// Runs a future to its end, on this thread: what waits for servers all the time is quickest where answers wake nobody else, and
    /// leaves the other processors to them.
    pub fn block_on<T>(&self, future: impl Future<Output = super::exit::Result<T>>) -> super::exit::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::failed(format!("the runtime does not start: {e}")))?;
        runtime.block_on(future)
    }

    /// How documents for stdout are styled.
    pub fn style(&self) -> Style {
        self.styled(std::io::stdout().is_terminal())
    }

    /// How what goes to stderr is styled.
    pub fn error_style(&self) -> Style {
        self.styled(std::io::stderr().is_terminal())
    }

    fn styled(&self, terminal: bool) -> Style {
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        Style {
            colour: if self.color && terminal { Colour::Ansi } else { Colour::Plain },
            width: columns.unwrap_or(Style::default().width),
        }
    }

    /// Prints a document to stdout. A reader that went away is no error.
    pub fn print(&self, text: impl Display) {
        let _ = write!(std::io::stdout().lock(), "{text}");
    }

    /// Says something to whoever watches, on stderr, unless told to be quiet.
    pub fn say(&self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Tells of a run while it happens: bars on a terminal, lines in a log, nothing when quiet.
    pub fn listener(&self) -> Listener {
        let style = self.error_style();
        let begun = Instant::now();
        match () {
            () if self.quiet => Listener::log(Box::new(std::io::sink()), style, move || begun.elapsed()),
            () if std::io::stderr().is_terminal() => Listener::bars(indicatif::MultiProgress::new(), style),
            () => Listener::log(Box::new(std::io::stderr()), style, move || begun.elapsed()),
        }
    }

    /// Reports a failure on stderr, also when quiet, and gives its exit code.
    pub fn report(&self, failure: Failure) -> Exit {
        let (text, exit) = match failure {
            Failure::Error(error) => (sentence(&error), Exit::of(&error)),
            Failure::Policy(diagnostics, sources) => {
                (render::diagnostic::text(&diagnostics, &sources, self.error_style()), Exit::Usage)
            }
            Failure::Refusal(exit, text) => (text, exit),
        };
        let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
        exit
    }

    /// Shows problems that do not keep the verb from going on.
    pub fn warn(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        if !diagnostics.is_empty() {
            self.say(render::diagnostic::text(diagnostics, sources, self.error_style()).trim_end());
        }
    }

    /// Asks on the terminal for the word `yes`; `None` where there is nobody to ask.
    pub fn confirm(&self, question: &str) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let _ = write!(std::io::stderr().lock(), "\n{question}\n  Only 'yes' will be accepted.\n\n  Enter a value: ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim() == "yes")
    }

    /// Now, RFC 3339 in UTC, to the millisecond.
    pub fn now() -> String {
        let now = jiff::Timestamp::now();
        now.round(jiff::Unit::Millisecond).unwrap_or(now).to_string()
    }

    /// Now, as time since 1970.
    pub fn clock() -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// Who runs this: for locks and the journal.
    pub fn holder(&self) -> Holder {
        let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).or_else(account);
        let user = user.unwrap_or_else(|| "unknown".into());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .or_else(|| std::env::var("HOSTNAME").ok())
            .map_or_else(|| "unknown".into(), |name| name.trim().to_owned());
        let since = Self::now();
        let pid = std::process::id();
        let stamp: String = since.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        Holder { who: format!("{user}@{host}"), pid, run: format!("{stamp}-{pid:x}"), since }
    }

    /// The journal's folder: as given, or in the user's state folder.
    ///
    /// # Errors
    /// When there is no home to put it in.
    pub fn journal(&self, given: Option<&Path>) -> Result<PathBuf> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .map(|state| state.join("evenkeel"))
            .ok_or_else(|| Error::usage("there is no home for the journal").hint("name a folder with --journal DIR"))
    }

    /// A variable of the environment.
    pub fn variable(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// An error in words, with what to type next.
fn sentence(error: &Error) -> String {
    let hint = error.next().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    mask_text(&format!("error: {}{hint}", text::tame_lines(&error.to_string())))
}

/// The account's name, where no variable tells it, as in many a pipeline.
fn account() -> Option<String> {
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").ok()?).to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines
        .find(|fields| fields.get(2) == Some(&owner.as_str()))
        .and_then(|fields| fields.first().map(ToString::to_string))
}
