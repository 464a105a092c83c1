//! The JSON Schema that `evenkeel schema` prints, held against every policy that users copy, and against mistakes that `check` refuses too.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::kit::{Folder, Run};

/// The printed schema, compiled.
struct Editor {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Editor {
    fn new() -> Self {
        let printed = Run::new(&Folder::new()).args(["schema"]).code(0).stdout;
        let schema = serde_json::from_str(&printed).expect("the schema is JSON");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("http://localhost/policy.json", schema).expect("a schema");
        let index = compiler.compile("http://localhost/policy.json", &mut schemas).expect("a schema that can be used");
        Self { schemas, index }
    }

    /// What an editor says of a policy; nothing where it is right.
    fn says(&self, policy: &Value) -> Option<String> {
        self.schemas.validate(policy, self.index).err().map(|error| format!("{error:#}"))
    }
}

fn read(path: &Path) -> Value {
    toml::from_str(&fs::read_to_string(path).expect("a text")).expect("a policy is TOML")
}

/// What `path` makes of a policy: an overlay is laid over the files of the folder above it, since it need not say all of a resource.
fn whole(path: &Path, all: &[PathBuf]) -> Value {
    let folder = path.parent().expect("a folder");
    let mut policy = Value::Object(serde_json::Map::new());
    if folder.ends_with("env") {
        for base in all.iter().filter(|base| base.parent() == folder.parent()) {
            lay_over(&mut policy, read(base));
        }
    }
    lay_over(&mut policy, read(path));
    policy
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// Every policy below a folder of the project.
fn policies(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the project can be listed") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            policies(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn an_editor_finds_nothing_wrong_with_what_users_copy() {
    let editor = Editor::new();
    let mut found = Vec::new();
    for folder in ["policies", "examples"] {
        policies(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    assert!(found.len() > 8, "{found:?}");
    for path in &found {
        assert_eq!(editor.says(&whole(path, &found)), None, "{}", path.display());
    }
}

#[test]
fn an_editor_finds_the_mistakes_that_check_finds() {
    const RIGHT: &str = "[guards]\nmax_deletes = 3\n[sqlite.shop]\npath = \"shop.db\"\n[sqlite.shop.index.by_email]\ntable = \"users\"\ncolumns = [\"email\"]\n";
    let editor = Editor::new();
    let folder = Folder::new();
    let check = |policy: &str| {
        folder.write("policy.toml", policy);
        Run::new(&folder).args(["check", "policy.toml"]).output().code
    };
    let says = |policy: &str| editor.says(&toml::from_str(policy).expect("a policy is TOML"));
    assert_eq!((says(RIGHT), check(RIGHT)), (None, Some(0)));
    for (right, wrong) in [
        ("[guards]", "[gards]"),
        ("max_deletes = 3", "max_deleted = 3"),
        ("max_deletes = 3", "max_deletes = \"3\""),
        ("[sqlite.shop]\n", "[sqlite.shop]\nport = 5432\n"),
        (".index.", ".indices."),
        ("columns = ", "colums = "),
        ("table = \"users\"", "table = 3"),
        ("columns = ", "protect = \"yes\"\ncolumns = "),
    ] {
        assert!(RIGHT.contains(right));
        let policy = RIGHT.replace(right, wrong);
        assert_eq!((says(&policy).is_some(), check(&policy)), (true, Some(64)), "{policy}");
    }
}
