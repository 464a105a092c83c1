//! How the demo is told: headings, text, files that it writes, and verbs that it really runs.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::args::Globals;
use crate::cli::emit;
use crate::cli::exit::{Exit, Result};
use crate::cli::world::World;
use crate::error::Error;
use crate::render::line::Role;

/// A playground and the voice that shows it.
#[derive(Debug)]
pub struct Story<'w> {
    world: &'w World,
    folder: PathBuf,
    binary: PathBuf,
    /// What the verbs take over from the demo's own command line.
    flags: Vec<&'static str>,
    /// Whether the last line that was printed is empty.
    gap: bool,
    /// How many scenes have begun.
    scenes: u32,
}

impl<'w> Story<'w> {
    /// Makes the folder.
    pub fn new(world: &'w World, globals: &Globals, folder: &Path) -> Result<Self> {
        let failed = |what: &str, error| Error::failed(format!("{what}: {error}"));
        std::fs::create_dir_all(folder).map_err(|e| failed(&format!("`{}` cannot be made", folder.display()), e))?;
        let binary = std::env::current_exe().map_err(|error| failed("this program does not find itself", error))?;
        let flags = if globals.no_color { vec!["--no-color"] } else { Vec::new() };
        Ok(Self { world, folder: folder.to_owned(), binary, flags, gap: false, scenes: 0 })
    }

    /// A file of the playground.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Begins a scene, numbered through all chapters.
    pub fn scene(&mut self, title: &str) {
        self.scenes += 1;
        self.heading(&format!("{}  {title}", self.scenes));
    }

    fn heading(&mut self, title: &str) {
        let rule = "─".repeat(76_usize.saturating_sub(title.chars().count()));
        let style = self.world.style();
        self.leave_gap();
        self.line(format!("{} {}\n", style.paint(Role::Strong, title), style.paint(Role::Quiet, &rule)));
    }

    /// Says something.
    pub fn say(&mut self, text: impl Display) {
        self.line(text);
    }

    /// Shows the content of a file, or a statement, set apart from the story.
    pub fn quote(&mut self, text: &str) {
        let style = self.world.style();
        let lines = text.trim_end().lines();
        let quoted = lines.map(|line| if line.is_empty() { String::new() } else { format!("    {line}") });
        for line in quoted {
            let role = if line.trim_start().starts_with(['#', ';']) { Role::Quiet } else { Role::Plain };
            self.line(style.paint(role, &line));
        }
        self.line("");
    }

    /// Writes a file of the playground.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::failed(format!("`{}` cannot be made: {error}", folder.display())))?;
        }
        emit::write(&path, text)
    }

    /// Runs a verb in the playground, showing what it prints, and insists that it ends as it should.
    pub fn verb(&mut self, arguments: &str, expected: Exit) -> Result<()> {
        let style = self.world.style();
        self.line(format!(
            "{} {}\n",
            style.paint(Role::Quiet, "$"),
            style.paint(Role::Strong, &format!("evenkeel {arguments}"))
        ));
        let mut command = Command::new(&self.binary);
        let status = command.args(arguments.split(' ')).args(&self.flags).current_dir(&self.folder).status();
        let status =
            status.map_err(|error| Error::failed(format!("`evenkeel {arguments}` does not start: {error}")))?;
        if status.code() != Some(expected.code().into()) {
            let message = format!("`evenkeel {arguments}` ended with {status}, not with code {}", expected.code());
            return Err(Error::bug(message).into());
        }
        self.gap = false;
        self.leave_gap();
        if expected != Exit::Done {
            self.line(format!("{}\n", style.paint(Role::Quiet, &format!("(exit code {})", expected.code()))));
        }
        Ok(())
    }

    /// Says what the reader may type next.
    pub fn end(&mut self) {
        self.heading("Your turn");
        self.say(format!("Everything stays in {}. Type next:\n", self.folder.display()));
        let folder = self.folder.display().to_string();
        let quoted = if folder.contains(char::is_whitespace) { format!("'{folder}'") } else { folder };
        let lines = [
            (format!("cd {quoted}"), ""),
            ("evenkeel drift".into(), "what differs, and exit code 2 for your scheduler"),
            ("evenkeel apply --journal journal".into(), "look, type yes, and it is as the policy says again"),
            ("evenkeel history --journal journal".into(), "who applied what, and when"),
            ("evenkeel explain drops-index".into(), "what a hazard means, and what to do instead"),
            ("$EDITOR policies/shop.toml".into(), "change a column, then plan again"),
        ];
        for (command, why) in lines {
            let style = self.world.style();
            let line = format!("    {command:<38}{}", style.paint(Role::Quiet, why));
            self.line(line.trim_end());
        }
        self.line("");
    }

    fn line(&mut self, text: impl Display) {
        let text = text.to_string();
        self.gap = text.is_empty() || text.ends_with('\n');
        self.world.print(format!("{text}\n"));
    }

    fn leave_gap(&mut self) {
        if !self.gap {
            self.line("");
        }
    }
}
