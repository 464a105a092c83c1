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
    fn says(&self, policy: &str) -> Option<String> {
        let policy: Value = toml::from_str(policy).expect("a policy is TOML");
        self.schemas.validate(&policy, self.index).err().map(|error| format!("{error:#}"))
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

#[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
#[test]
fn an_editor_finds_nothing_wrong_with_what_users_copy() {
    let editor = Editor::new();
    let mut found = Vec::new();
    for folder in ["policies", "examples"] {
        policies(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    assert!(found.len() > 8, "{found:?}");
    for path in found {
        let said = editor.says(&fs::read_to_string(&path).expect("a text"));
        assert_eq!(said, None, "{}", path.display());
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn an_editor_finds_the_mistakes_that_check_finds() {
    const RIGHT: &str = "[guards]\nmax_deletes = 3\n[sqlite.shop]\npath = \"shop.db\"\n[sqlite.shop.index.by_email]\ntable = \"users\"\ncolumns = [\"email\"]\n";
    let editor = Editor::new();
    let folder = Folder::new();
    let check = |policy: &str| {
        folder.write("policy.toml", policy);
        Run::new(&folder).args(["check", "policy.toml"]).output().code
    };
    assert_eq!((editor.says(RIGHT), check(RIGHT)), (None, Some(0)));
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
        let said = editor.says(&policy);
        assert_eq!((said.is_some(), check(&policy)), (true, Some(64)), "{policy}");
    }
}
