//! Loading: files in, a policy and all its problems out. Does no I/O: whoever calls reads the files and looks up the secrets.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::reference::{self, Allowed, Lookup};
use super::shape::{self, Level};
use super::{Entry, Guards, Node, NodeValue, Policy, Resource, Sources, Table, Target, Vocabulary};
use super::{codes, expand, join, keys, order, parse};
use crate::model::{Diagnostic, Kind, Many, Place, ResourceId, TargetId, hex};

/// A policy file as it was read.
#[derive(Clone, Debug)]
pub struct File {
    /// The name under which places and messages speak of it.
    pub name: String,
    /// Its content, which is a problem of the policy where it is no UTF-8.
    pub bytes: Vec<u8>,
}

/// What a policy is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The files that declare it together, in order.
    pub base: &'a [File],
    /// The files that are laid over them, in order; the last one wins.
    pub overlays: &'a [File],
    /// The words it may use.
    pub vocabulary: &'a Vocabulary,
    /// How its references are looked up.
    pub lookup: Lookup<'a>,
}

impl File {
    /// A file of this name and content.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// Loads a policy, and tells every problem that can be told without its providers. What has a problem is left out of the policy,
/// so a policy with problems must not be used for more than finding further ones.
pub fn load(input: Input<'_>) -> (Policy, Vec<Diagnostic>) {
    let Input { base, overlays, vocabulary, lookup } = input;
    let mut reader = Reader { vocabulary, sources: Sources::default(), problems: Vec::new(), whole: true };
    let mut root = Table::new();
    for file in base {
        let table = reader.read(file);
        join::join(&mut root, table, Level::Root(vocabulary), "", &mut reader.problems);
    }
    for file in overlays {
        let table = reader.read(file);
        join::lay_over(&mut root, table);
    }
    let Reader { sources, mut problems, whole, .. } = reader;

    let guards = root
        .shift_remove("guards")
        .map_or_else(Guards::default, |entry| keys::guards(&entry.node, &Guards::default(), &mut problems));
    let defaults = root.shift_remove("defaults");
    let positions = base.iter().chain(overlays).enumerate().map(|(i, file)| (file.name.as_str(), i)).collect();
    let mut builder = Builder { guards, lookup, positions, names: HashMap::new(), targets: Vec::new(), problems };
    for (provider, entry) in root {
        let kinds = vocabulary.get(provider.as_str()).copied().unwrap_or_default();
        let defaults = defaults.as_ref().and_then(|d| d.node.table()?.get(&provider)?.node.table());
        for (name, target) in entry.node.into_table() {
            builder.add(&provider, &name, target, kinds, defaults);
        }
    }
    let Builder { mut targets, mut problems, .. } = builder;
    targets.sort_by(|a, b| a.id.cmp(&b.id));
    if whole {
        // What a file that cannot be read declares may be just what is waited for.
        order::check(&targets, &mut problems);
    }
    (Policy { targets, sources, digest: digest(base, overlays) }, problems)
}

struct Reader<'a> {
    vocabulary: &'a Vocabulary,
    sources: Sources,
    problems: Vec<Diagnostic>,
    /// Whether every file could be read.
    whole: bool,
}

impl Reader<'_> {
    fn read(&mut self, file: &File) -> Table {
        let text = String::from_utf8_lossy(&file.bytes);
        let name = self.sources.add(&file.name, &text);
        if let Err(error) = std::str::from_utf8(&file.bytes) {
            self.whole = false;
            let start = error.valid_up_to();
            let place = Place { file: name, span: start..start + char::REPLACEMENT_CHARACTER.len_utf8() };
            self.problems.push(
                Diagnostic::error(codes::NOT_UTF8, "the file is not UTF-8", place)
                    .label("these bytes are no text")
                    .hint(format!("iconv -f latin1 -t utf-8 {}", file.name)),
            );
            return Table::new();
        }
        let table = parse::parse(&name, &text, &mut self.problems);
        self.whole &= table.is_some();
        shape::check(table.unwrap_or_default(), self.vocabulary, &mut self.problems)
    }
}

struct Builder<'a> {
    guards: Guards,
    lookup: Lookup<'a>,
    /// The order of the files.
    positions: HashMap<&'a str, usize>,
    names: HashMap<TargetId, Place>,
    targets: Vec<Target>,
    problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn add(&mut self, provider: &str, name: &str, mut entry: Entry, kinds: &'static [Kind], defaults: Option<&Table>) {
        if let (Some(defaults), Some(own)) = (defaults, entry.node.table_mut()) {
            let mut both = defaults.clone();
            join::lay_over(&mut both, std::mem::take(own));
            *own = both;
        }
        for (name, entry) in expand::expand(name, entry, kinds, &mut self.problems) {
            let id = TargetId::new(provider, name);
            if let Some(first) = self.names.get(&id) {
                self.problems.push(
                    Diagnostic::error(codes::DUPLICATE, format!("`{id}` is declared twice"), entry.key)
                        .label("again here")
                        .related(first.clone(), "first here")
                        .hint("rename one of the two; `for_each` joins its items to the target's name"),
                );
                continue;
            }
            self.names.insert(id.clone(), entry.key);
            let target = self.build(id, entry.node, kinds);
            self.targets.push(target);
        }
    }

    fn build(&mut self, id: TargetId, node: Node, kinds: &'static [Kind]) -> Target {
        let place = node.place.clone();
        let mut table = node.into_table();
        let problems = &mut self.problems;
        let prune = table.shift_remove("prune").map_or_else(Vec::new, |e| keys::prune(&e.node, kinds, problems));
        let guards = match table.shift_remove("guards") {
            Some(entry) => keys::guards(&entry.node, &self.guards, problems),
            None => self.guards.clone(),
        };
        let mut resources = Vec::new();
        for kind in kinds {
            let Some(entry) = table.shift_remove(kind.name) else { continue };
            match kind.many {
                Many::One => resources.push(Arc::new(self.resource(ResourceId::only(kind.name), entry.node))),
                Many::Named => {
                    for (name, entry) in entry.node.into_table() {
                        resources.push(Arc::new(self.resource(ResourceId::named(kind.name, name), entry.node)));
                    }
                }
            }
        }
        resources.sort_by_key(|r| (self.positions.get(&*r.place.file).copied(), r.place.span.start));
        reference::resolve_all(&mut table, Allowed::EnvAndFile, self.lookup);
        let settings = Node { place, value: NodeValue::Table(table) };
        Target { id, settings, prune, guards, resources }
    }

    fn resource(&mut self, id: ResourceId, node: Node) -> Resource {
        let place = node.place.clone();
        let mut table = node.into_table();
        let (keys, after) = keys::resource(&mut table, &place, &mut self.problems);
        reference::resolve_all(&mut table, Allowed::Env, self.lookup);
        let node = Node { place: place.clone(), value: NodeValue::Table(table) };
        Resource { id, node, absent: keys.absent, protect: keys.protect, ignore: keys.ignore, after, place }
    }
}

/// SHA-256 over names and contents, each with its length, so that nothing can move from one to the other unseen.
fn digest(base: &[File], overlays: &[File]) -> String {
    let mut hash = Sha256::new();
    for (role, files) in [(b'b', base), (b'o', overlays)] {
        for File { name, bytes } in files {
            hash.update([role]);
            for part in [name.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
    }
    hex(&hash.finalize())
}
