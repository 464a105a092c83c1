//! The subject on application settings in a file.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::subject::{Subject, allow_all, hold_journal, locked};
use crate::kit::{Folder, Hold};

/// A password in the document, which the policy does not name.
const PASSWORD: &str = "planted-document-pw-5Tn";

/// An application whose settings others write, too. All changes are one write, which no interrupt can divide.
pub struct Api {
    folder: Folder,
    published: Folder,
}

const POLICY: &str = r#"
[app.api.pool]
max = 20
min = 5
acquire_timeout = "30s"

[app.api.cache]
read_policy = "cache-first"

[app.api.cache_level.l1]
type = "memory"
ttl = "5m"
priority = 1

[app.api.cache_level.l2]
absent = true
"#;

impl Api {
    /// Replaces a part of the document, as somebody else would.
    fn edit(&self, from: &str, to: &str) {
        let before = self.published.read("runtime.json");
        let after = before.replace(from, to);
        assert_ne!(after, before, "`{from}` is there");
        self.published.write("runtime.json", &after);
    }
}

impl Subject for Api {
    const TARGET: &'static str = "app.api";
    const STEPS: usize = 1;

    fn start() -> Self {
        let published = Folder::new();
        let document = format!(
            "{{\n\t\"theirs\": {{\"password\": \"{PASSWORD}\", \"ratio\": 1.0}},\n\t\"pool\": {{\"max\": 50, \"note\": \"é\"}},\n\
             \t\"cache_level\": {{\"l2\": {{\"type\": \"redis\", \"ttl_ms\": 60000}}}}\n}}\n"
        );
        let file = published.write("runtime.json", &document);
        let target = format!("[app.api]\npublish = {{ file = \"{}\" }}\n", file.display());
        Self { folder: Folder::with_policy(&(allow_all("app") + &target + POLICY)), published }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn fingerprint(&self) -> String {
        let about = fs::metadata(self.published.file("runtime.json")).expect("the document is there");
        let files = self.published.files();
        format!("{} {} {} {files:?}", about.ino(), about.mtime(), about.mtime_nsec())
    }

    fn shape(&self) -> String {
        self.published.read("runtime.json")
    }

    fn meddle(&self) -> &'static str {
        self.edit("300000", "300001");
        "app.api.cache_level.l1"
    }

    fn spoil(&self) -> &'static str {
        self.edit("\"max\": 50", "\"max\": 51");
        "app.api.pool"
    }

    fn hold(&self) -> Hold {
        hold_journal(&self.folder)
    }

    fn held_up(&self) -> bool {
        locked(&self.published.file("runtime.json"))
    }

    fn elsewhere(&self) -> &'static str {
        "[app.elsewhere]\npublish = { file = \"nowhere/runtime.json\" }\n\n[app.elsewhere.pool]\nmax = 5\n"
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.into()]
    }
}
