//! The configuration as a whole: the file, what it includes, which entry of several wins, and edits of it. Does no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::catalog::WITHOUT_DEFAULT;
use super::conninfo;
use super::ini::{self, Item};
use crate::provider::file::{Fingerprint, Snapshot};

/// How deep includes may go; the server's own limit in the versions that have one.
const DEPTH: usize = 10;

/// A configuration file with everything that it includes, in the order in which the server reads it.
#[derive(Clone, Debug)]
pub struct Tree {
    files: Vec<Loaded>,
    walk: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Loaded {
    /// As the configuration names it.
    named: PathBuf,
    /// Behind all links.
    path: PathBuf,
    bytes: Vec<u8>,
    print: Fingerprint,
}

/// One item where it is read.
#[derive(Clone, Debug)]
struct Step {
    file: usize,
    section: Option<String>,
    item: Item,
}

/// What one edit changes. `Display` is what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A setting of `[pgbouncer]`.
    Setting {
        /// The key.
        key: String,
        /// The value, as the file takes it.
        text: String,
    },
    /// Some keys of an entry of `[databases]`, which is made where there is none.
    Database {
        /// The entry's name.
        name: String,
        /// Each key under all its names (the one to write first) and its value.
        pairs: Vec<(&'static [&'static str], String)>,
    },
    /// An entry of `[databases]` leaves, with all its duplicates.
    Drop {
        /// The entry's name.
        name: String,
    },
}

/// Why a configuration cannot be read, or an edit cannot be made.
pub type Refusal = String;

impl Tree {
    /// Reads `main` and what it includes; `fetch` gives the file of a path, or `None` until it has it. Call again with more until it is whole.
    ///
    /// # Errors
    /// `Missing` names a file to fetch; `Refused` is where the server would stop reading.
    pub fn build(main: &Path, fetched: &BTreeMap<PathBuf, Snapshot>) -> Result<Self, Incomplete> {
        let mut tree = Self { files: Vec::new(), walk: Vec::new() };
        let mut section = None;
        tree.visit(main, fetched, &mut section, 0)?;
        Ok(tree)
    }

    fn visit(
        &mut self,
        named: &Path,
        fetched: &BTreeMap<PathBuf, Snapshot>,
        section: &mut Option<String>,
        depth: usize,
    ) -> Result<(), Incomplete> {
        if depth > DEPTH {
            return Err(Incomplete::Refused(format!("`{}` is included over and over", named.display())));
        }
        let snapshot = fetched.get(named).ok_or_else(|| Incomplete::Missing(named.to_owned()))?;
        let items = ini::parse(&snapshot.bytes).map_err(|fault| {
            Incomplete::Refused(format!("`{}` line {}: {}", named.display(), fault.line, fault.message))
        })?;
        let file = self.files.iter().position(|file| file.path == snapshot.path).unwrap_or_else(|| {
            self.files.push(Loaded {
                named: named.to_owned(),
                path: snapshot.path.clone(),
                bytes: snapshot.bytes.clone(),
                print: snapshot.print.clone(),
            });
            self.files.len() - 1
        });
        for item in items {
            if let Item::Section { name, .. } = &item {
                *section = Some(name.clone());
            }
            let include = match &item {
                Item::Include { path, .. } => Some(self.beside(path)),
                _ => None,
            };
            self.walk.push(Step { file, section: section.clone(), item });
            if let Some(path) = include {
                self.visit(&path, fetched, section, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Where an included file is. The server takes a relative path from its working folder, which nobody knows from here.
    fn beside(&self, path: &str) -> PathBuf {
        self.files.first().and_then(|main| main.named.parent()).map_or_else(|| path.into(), |folder| folder.join(path))
    }

    /// The value of a setting, as it stands; `None` where the built-in default holds.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.winner(key).map(|at| self.value(at))
    }

    /// The settings that are written, each with the value that wins.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let keys = self.entries("pgbouncer").map(|(_, key)| key.to_owned());
        keys.filter_map(|key| self.setting(&key).map(|value| (key, value))).collect()
    }

    /// The entries of `[databases]`, each with the line that wins.
    pub fn databases(&self) -> BTreeMap<String, String> {
        self.entries("databases").map(|(at, name)| (name.to_owned(), self.value(at))).collect()
    }

    /// The files, as they are named and with their fingerprints.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Fingerprint)> {
        self.files.iter().map(|file| (file.named.as_path(), &file.print))
    }

    /// The content of a file by its name.
    pub fn bytes(&self, named: &Path) -> Option<&[u8]> {
        self.files.iter().find(|file| file.named == named).map(|file| file.bytes.as_slice())
    }

    /// The fingerprint of a file by its name.
    pub fn print(&self, named: &Path) -> Option<&Fingerprint> {
        self.files.iter().find(|file| file.named == named).map(|file| &file.print)
    }

    fn entries<'a>(&'a self, section: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.walk.iter().enumerate().filter_map(move |(at, step)| match &step.item {
            Item::Entry { key, .. } if step.section.as_deref() == Some(section) => Some((at, key.as_str())),
            _ => None,
        })
    }

    fn value(&self, at: usize) -> String {
        let Step { file, item, .. } = &self.walk[at];
        match item {
            Item::Entry { value, .. } => String::from_utf8_lossy(&self.files[*file].bytes[value.clone()]).into_owned(),
            _ => String::new(),
        }
    }

    /// Where the setting stands that counts: the last one, and none from before the last `[pgbouncer]`, which begins with the defaults.
    fn winner(&self, key: &str) -> Option<usize> {
        let opened = self.walk.iter().rposition(|step| header(step, "pgbouncer")).unwrap_or_default();
        let kept = WITHOUT_DEFAULT.contains(&key);
        self.entries("pgbouncer").filter(|(at, name)| *name == key && (kept || *at > opened)).last().map(|(at, _)| at)
    }

    /// Makes an edit, and says in which file.
    ///
    /// # Errors
    /// What is in the way.
    pub fn edit(&mut self, edit: &Edit) -> Result<PathBuf, Refusal> {
        let before = self.everything();
        let file = match edit {
            Edit::Setting { key, text } => match self.winner(key) {
                Some(at) => self.rewrite(at, text),
                None => self.add("pgbouncer", key, text),
            },
            Edit::Database { name, pairs } => {
                let found = self.entries("databases").filter(|(_, entry)| entry == name).last().map(|(at, _)| at);
                let mut line = found.map(|at| self.value(at)).unwrap_or_default();
                for (names, value) in pairs {
                    line = conninfo::set(&line, names, value)
                        .ok_or_else(|| format!("the line of `{name}` in [databases] is not `key=value` pairs"))?;
                }
                match found {
                    Some(at) => self.rewrite(at, &line),
                    None if ini::plain(name) => self.add("databases", name, &line),
                    None => return Err(format!("`{name}` cannot be the name of an entry in the file")),
                }
            }
            Edit::Drop { name } => self.remove(name),
        };
        self.reread()?;
        self.hold_to(edit, &before)?;
        Ok(self.files[file].named.clone())
    }

    fn rewrite(&mut self, at: usize, text: &str) -> usize {
        let Step { file, item, .. } = &self.walk[at];
        let file = *file;
        if let Item::Entry { span, value, .. } = item {
            let bytes = &self.files[file].bytes;
            // `key =` without a value has no blank after the sign.
            let blank = if value.is_empty() && bytes[span.clone()].ends_with(b"=") { " " } else { "" };
            self.files[file].bytes = ini::splice(bytes, value.clone(), format!("{blank}{text}").as_bytes());
        }
        file
    }

    fn add(&mut self, section: &str, key: &str, text: &str) -> usize {
        let Some(opened) = self.walk.iter().rposition(|step| header(step, section)) else {
            self.files[0].bytes = ini::append(&self.files[0].bytes, section, key, text);
            return 0;
        };
        // The stretch in the header's own file that surely belongs to it: up to the next header, or to an include, which may bring one.
        let Step { file, item, .. } = &self.walk[opened];
        let (file, Item::Section { span: header, .. }) = (*file, item) else { return 0 };
        let ends = |item: &Item| match item {
            Item::Section { span, .. } | Item::Include { span, .. } if span.start > header.start => Some(span.start),
            _ => None,
        };
        let own = || self.walk[opened + 1..].iter().filter(|step| step.file == file).map(|step| &step.item);
        let end = own().find_map(ends).unwrap_or(self.files[file].bytes.len());
        let rest: Vec<Item> = own().take_while(|item| ends(item).is_none()).cloned().collect();
        self.files[file].bytes = ini::insert(&self.files[file].bytes, header, end, &rest, key, text);
        file
    }

    fn remove(&mut self, name: &str) -> usize {
        let found: Vec<usize> =
            self.entries("databases").filter(|(_, entry)| *entry == name).map(|(at, _)| at).collect();
        let last = found.last().map_or(0, |at| self.walk[*at].file);
        let mut spans: Vec<_> = found
            .into_iter()
            .filter_map(|at| match &self.walk[at].item {
                Item::Entry { span, .. } => Some((self.walk[at].file, span.clone())),
                _ => None,
            })
            .collect();
        // From the back, so that what is still to go stays where it is.
        spans.sort_by_key(|(file, span)| (*file, span.start));
        spans.dedup();
        for (file, span) in spans.into_iter().rev() {
            self.files[file].bytes = ini::remove(&self.files[file].bytes, &span);
        }
        last
    }

    /// Reads the edited files once more, as the server will.
    fn reread(&mut self) -> Result<(), Refusal> {
        let named = |file: &Loaded| {
            let Loaded { named, path, bytes, print } = file.clone();
            (named, Snapshot { path, bytes, print })
        };
        let fetched = self.files.iter().map(named).collect();
        *self = Self::build(&self.files[0].named, &fetched).map_err(|incomplete| incomplete.to_string())?;
        Ok(())
    }

    /// Everything that the configuration says, as it will be understood.
    fn everything(&self) -> BTreeMap<(String, String), String> {
        let sections: BTreeSet<&str> = self.walk.iter().filter_map(|step| step.section.as_deref()).collect();
        let mut all = BTreeMap::new();
        for section in sections {
            for (at, key) in self.entries(section) {
                all.insert((section.to_owned(), key.to_owned()), self.value(at));
            }
        }
        for (_, key) in self.entries("pgbouncer") {
            let effective = self.setting(key).unwrap_or_default();
            all.insert(("pgbouncer".into(), key.to_owned()), effective);
        }
        all
    }

    /// Holds an edit to its word: it says what it was to say, and nothing else says anything else.
    fn hold_to(&self, edit: &Edit, before: &BTreeMap<(String, String), String>) -> Result<(), Refusal> {
        let mut after = self.everything();
        let mut before = before.clone();
        let (place, done) = match edit {
            Edit::Setting { key, text } => {
                (("pgbouncer".to_owned(), key.clone()), self.setting(key).as_deref() == Some(text))
            }
            Edit::Database { name, pairs } => {
                let line = self.databases().get(name).and_then(|line| conninfo::parse(line)).unwrap_or_default();
                let done =
                    pairs.iter().all(|(names, value)| conninfo::find(&line, names).is_some_and(|p| p.value == *value));
                (("databases".to_owned(), name.clone()), done)
            }
            Edit::Drop { name } => (("databases".to_owned(), name.clone()), !self.databases().contains_key(name)),
        };
        after.remove(&place);
        before.remove(&place);
        if done && after == before { Ok(()) } else { Err(format!("`{edit}` would not come out as it was meant")) }
    }

    /// Whether an edit is made already.
    pub fn has(&self, edit: &Edit) -> bool {
        self.hold_to(edit, &self.everything()).is_ok()
    }
}

fn header(step: &Step, section: &str) -> bool {
    matches!(&step.item, Item::Section { name, .. } if name == section)
}

/// Why a tree is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// This file is needed next.
    Missing(PathBuf),
    /// The server would stop reading here.
    Refused(Refusal),
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "`{}` is not there", path.display()),
            Self::Refused(refusal) => f.write_str(refusal),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { key, text } => write!(f, "{key} = {text}"),
            Self::Database { name, pairs } => {
                write!(f, "{name}:")?;
                pairs.iter().try_for_each(|(names, value)| {
                    write!(f, " {}={}", names.first().unwrap_or(&""), conninfo::quote(value))
                })
            }
            Self::Drop { name } => write!(f, "drop {name}"),
        }
    }
}
