//! The whole configuration: the main file with all that it includes. Makes the one text that nginx is asked about before a file is written:
//! the main file with a candidate put in the place where it would be included. The live files are never touched for that, so that a crash or a
//! reload by somebody else never meets a configuration that nginx has not accepted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::edit::Text;
use super::token;
use super::tree::Statement;

/// How deep includes may nest; nginx itself would run out of files.
const DEEPEST: usize = 20;

/// A statement: its file, behind all links, and its number there.
pub type Spot = (PathBuf, usize);

/// A configuration on the disk.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The main file.
    pub main: PathBuf,
    /// Every file that was read, behind all links.
    files: BTreeMap<PathBuf, Text>,
}

impl Whole {
    /// Reads the main file and all that it includes. What cannot be read is nginx's to complain of.
    ///
    /// # Errors
    /// Where the main file cannot be read.
    pub fn read(main: &Path) -> std::io::Result<Self> {
        let mut whole = Self { main: main.to_owned(), files: BTreeMap::new() };
        whole.take(&fs::canonicalize(main)?, fs::read(main)?, 0);
        Ok(whole)
    }

    fn take(&mut self, path: &Path, bytes: Vec<u8>, depth: usize) {
        let text = Text::new(bytes);
        let included: Vec<_> = text.tree().statements.iter().flat_map(|s| self.included(s)).collect();
        self.files.insert(path.to_owned(), text);
        for path in included {
            let Ok(real) = fs::canonicalize(&path) else { continue };
            if depth < DEEPEST
                && !self.files.contains_key(&real)
                && let Ok(bytes) = fs::read(&real)
            {
                self.take(&real, bytes, depth + 1);
            }
        }
    }

    /// A file of which nobody knows what includes it.
    pub fn alone(config: &Path, text: &Text) -> Self {
        let mut whole = Self { main: config.to_owned(), files: BTreeMap::new() };
        whole.put(config, text);
        whole
    }

    /// Puts what was read of a file in the place of what is known of it.
    pub fn put(&mut self, path: &Path, text: &Text) {
        self.files.insert(real(path), text.clone());
    }

    /// Its files, behind all links.
    pub fn files(&self) -> impl Iterator<Item = (&PathBuf, &Text)> {
        self.files.iter()
    }

    /// One of its files.
    pub fn text(&self, path: &Path) -> Option<&Text> {
        self.files.get(path)
    }

    /// A statement of it.
    pub fn at(&self, (path, at): &Spot) -> Option<&Statement> {
        self.files.get(path)?.at(*at)
    }

    /// A path as nginx reads it in a directive.
    pub fn path(&self, written: &str) -> PathBuf {
        self.main.parent().unwrap_or(Path::new(".")).join(written)
    }

    /// Every block with this name.
    pub fn spots(&self, name: &str) -> Vec<Spot> {
        let of = |(path, text): (&PathBuf, &Text)| {
            let all = text.tree().statements.iter().enumerate();
            all.filter(|(_, s)| s.name() == name && s.body.is_some())
                .map(|(at, _)| (path.clone(), at))
                .collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of).collect()
    }

    /// Every block with this name, each once, in the order in which nginx comes upon them.
    pub fn ordered(&self, name: &str) -> Vec<Spot> {
        let (mut found, main) = (Vec::new(), real(&self.main));
        self.follow(&main, name, 0, &mut found);
        // What nobody is known to include comes last.
        for spot in self.spots(name) {
            if !found.contains(&spot) {
                found.push(spot);
            }
        }
        found
    }

    fn follow(&self, path: &Path, name: &str, depth: usize, found: &mut Vec<Spot>) {
        let Some(text) = self.files.get(path).filter(|_| depth <= DEEPEST) else { return };
        for (at, statement) in text.tree().statements.iter().enumerate() {
            let spot = (path.to_owned(), at);
            if statement.name() == name && statement.body.is_some() && !found.contains(&spot) {
                found.push(spot);
            }
            for file in self.included(statement) {
                self.follow(&real(&file), name, depth + 1, found);
            }
        }
    }

    /// The nearest blocks called `name` around a statement: more than one where its file is included more than once.
    pub fn enclosing(&self, path: &Path, at: usize, name: &str) -> Vec<Spot> {
        self.enclosed(path, at, name, 0)
    }

    fn enclosed(&self, path: &Path, at: usize, name: &str, depth: usize) -> Vec<Spot> {
        let Some(text) = self.files.get(path).filter(|_| depth <= DEEPEST) else { return Vec::new() };
        if let Some((at, _)) = text.tree().around(at).find(|(_, block)| block.name() == name) {
            return vec![(path.to_owned(), at)];
        }
        self.includers(path).iter().flat_map(|(path, at)| self.enclosed(path, *at, name, depth + 1)).collect()
    }

    /// The statements called `name` that hold in a block: its own and those it includes; without any, those around it.
    pub fn said(&self, (path, block): &Spot, name: &str) -> Vec<Spot> {
        self.holding(path, Some(*block), name, 0)
    }

    fn holding(&self, path: &Path, block: Option<usize>, name: &str, depth: usize) -> Vec<Spot> {
        let own = self.own(path, block, name, depth);
        if !own.is_empty() || depth > DEEPEST {
            return own;
        }
        match block {
            Some(at) => {
                self.holding(path, self.at(&(path.to_owned(), at)).and_then(|block| block.parent), name, depth + 1)
            }
            None => {
                let outer = |spot: &Spot| self.holding(&spot.0, self.at(spot).and_then(|s| s.parent), name, depth + 1);
                self.includers(path).iter().map(outer).find(|found| !found.is_empty()).unwrap_or_default()
            }
        }
    }

    fn own(&self, path: &Path, block: Option<usize>, name: &str, depth: usize) -> Vec<Spot> {
        let Some(text) = self.files.get(path).filter(|_| depth <= DEEPEST) else { return Vec::new() };
        let mut found = Vec::new();
        for (at, statement) in text.tree().children(block) {
            if statement.name() == name {
                found.push((path.to_owned(), at));
            }
            for file in self.included(statement) {
                found.extend(self.own(&real(&file), None, name, depth + 1));
            }
        }
        found
    }

    /// Whether a block includes a file, straight or through another one.
    pub fn includes(&self, (path, block): &Spot, file: &Path) -> bool {
        let Some(text) = self.files.get(path) else { return false };
        let mut left: Vec<PathBuf> = text.tree().children(Some(*block)).flat_map(|(_, s)| self.included(s)).collect();
        let mut seen = Vec::new();
        while let Some(one) = left.pop().map(|one| real(&one)) {
            if one == file {
                return true;
            }
            if let Some(text) = self.files.get(&one).filter(|_| !seen.contains(&one)) {
                left.extend(text.tree().statements.iter().flat_map(|s| self.included(s)));
                seen.push(one);
            }
        }
        false
    }

    /// The statements that include a file.
    fn includers(&self, path: &Path) -> Vec<Spot> {
        let mut found = Vec::new();
        for (from, text) in &self.files {
            for (at, statement) in text.tree().statements.iter().enumerate() {
                if self.included(statement).iter().any(|file| real(file) == path) {
                    found.push((from.clone(), at));
                }
            }
        }
        found
    }

    /// Whether a file is a part of it.
    pub fn holds(&self, path: &Path) -> bool {
        fs::canonicalize(path).is_ok_and(|real| self.files.contains_key(&real))
    }

    /// What a directive outside of all blocks says.
    pub fn global(&self, name: &str) -> Option<&str> {
        let statements = self.files.values().flat_map(|text| &text.tree().statements);
        statements.filter(|s| s.parent.is_none() && s.name() == name).find_map(Statement::argument)
    }

    /// The main file as nginx would read it if `path` held `candidate`.
    pub fn with(&self, path: &Path, candidate: &[u8]) -> Vec<u8> {
        self.inlined(&real(&self.main), &real(path), candidate, 0).unwrap_or_default()
    }

    /// A file with what leads to `real` put in the place of its `include`; `None` where nothing does.
    fn inlined(&self, path: &Path, real: &Path, candidate: &[u8], depth: usize) -> Option<Vec<u8>> {
        if path == real {
            return Some(candidate.to_vec());
        }
        let text = self.files.get(path).filter(|_| depth <= DEEPEST)?;
        let mut out = Vec::new();
        let (mut from, mut found) = (0, false);
        for statement in &text.tree().statements {
            let mut parts = Vec::new();
            let mut leads = false;
            for file in self.included(statement) {
                let inner =
                    fs::canonicalize(&file).ok().and_then(|file| self.inlined(&file, real, candidate, depth + 1));
                leads |= inner.is_some();
                let plain = || format!("include {};", token::word(&file.to_string_lossy())).into_bytes();
                parts.extend(inner.unwrap_or_else(plain));
                parts.push(b'\n');
            }
            if leads {
                out.extend_from_slice(&text.bytes()[from..statement.span.start]);
                out.extend(parts);
                from = statement.span.end;
                found = true;
            }
        }
        out.extend_from_slice(&text.bytes()[from..]);
        found.then_some(out)
    }

    /// The files that a statement includes, in nginx's order.
    fn included(&self, statement: &Statement) -> Vec<PathBuf> {
        let Some(pattern) = statement.argument().filter(|_| statement.name() == "include") else { return Vec::new() };
        let folder = self.main.parent().unwrap_or(Path::new("."));
        expand(&folder.join(pattern))
    }
}

/// A path behind all links; as it is where there is nothing.
pub fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The files that a pattern stands for, sorted; hidden ones only where the pattern says so.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?', '[']) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        let mut next = Vec::new();
        for folder in &found {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let fits = |entry: &String| (!entry.starts_with('.') || name.starts_with('.')) && fits(&name, entry);
            let mut names: Vec<String> = names.filter(fits).collect();
            names.sort();
            next.extend(names.into_iter().map(|name| folder.join(name)));
        }
        found = next;
    }
    found
}

/// Whether a name fits a pattern with `*`, `?` and `[a-z]`.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    follow(&pattern, &name)
}

fn follow(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        (['*', rest @ ..], _) => (0..=name.len()).any(|from| follow(rest, &name[from..])),
        (['?', rest @ ..], [_, tail @ ..]) => follow(rest, tail),
        (['[', rest @ ..], [c, tail @ ..]) => {
            let Some(end) = rest.iter().skip(1).position(|c| *c == ']').map(|n| n + 1) else { return false };
            let (not, set) = match &rest[..end] {
                ['!' | '^', set @ ..] => (true, set),
                set => (false, set),
            };
            let range = |window: &[char]| matches!(window, [low, '-', high] if low <= c && c <= high);
            let inside = set.contains(c) || set.windows(3).any(range);
            inside != not && follow(&rest[end + 1..], tail)
        }
        ([wanted, rest @ ..], [c, tail @ ..]) => wanted == c && follow(rest, tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_globs() {
        let check =
            |pattern: &str, name: &str, expected: bool| assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        check("*.conf", "web.conf", true);
        check("*.conf", "web.conf.new", false);
        check("[a-c]?.conf", "bx.conf", true);
        check("[!a-c]?.conf", "bx.conf", false);
        check("*", "", true);
    }

    #[test]
    fn the_candidate_stands_where_it_would_be_included() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let main = write("nginx.conf", "pid run/x;\nhttp { include all.conf; # all\n}\n");
        write("all.conf", "include d/*.conf;");
        write("d/a.conf", "server { listen 1; }");
        write("d/.hidden.conf", "nonsense");
        let config = write("d/b.conf", "upstream web { server a; } # end");
        let whole = Whole::read(&main).unwrap();
        assert!(whole.holds(&config) && !whole.holds(folder.path().join("d/.hidden.conf").as_path()));
        assert_eq!(whole.global("pid"), Some("run/x"));
        let text = String::from_utf8(whole.with(&config, b"upstream web { server b; } # end")).unwrap();
        let place = folder.path().display().to_string();
        let expected = "pid run/x;\nhttp { include /d/a.conf;\nupstream web { server b; } # end\n\n # all\n}\n";
        assert_eq!(text.replace(&place, ""), expected);
        assert_eq!(whole.with(&main, b"events {}"), b"events {}");
        write("nginx.conf", "http { include d/b.conf; server { listen 2; } include d/*.conf; }");
        write("d/b.conf", "server { listen 0; }");
        let whole = Whole::read(&main).unwrap();
        let listen = |spot: &Spot| whole.said(spot, "listen").first().and_then(|at| whole.at(at)?.argument()).unwrap();
        let order: Vec<_> = whole.ordered("server").iter().map(|spot| listen(spot).to_owned()).collect();
        assert_eq!(order, ["0", "2", "1"], "in the order of reading, each once");
    }
}
