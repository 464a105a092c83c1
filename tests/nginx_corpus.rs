//! Configurations as people write them: each is edited by the real program and read by crossplane, a reader that knows nothing of ours,
//! and comes back byte for byte when the edit is taken back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel::providers::nginx::edit::Text;
use evenkeel::providers::nginx::token;
use serde_json::{Value, json};

use crate::kit::{Folder, Run};

fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/nginx");
    let entries = fs::read_dir(root).expect("the corpus can be listed");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    files.sort();
    assert!(files.len() >= 35, "{} files are no corpus", files.len());
    files
}

fn servers(text: &Text) -> Vec<usize> {
    let tree = text.tree();
    let is = |at: &usize| {
        let parent = tree.statements[*at].parent.map(|parent| tree.statements[parent].words[0].text.as_str());
        tree.statements[*at].words[0].text == "server" && parent == Some("upstream")
    };
    (0..tree.statements.len()).filter(is).collect()
}

#[test]
fn every_byte_of_the_corpus_is_read_and_edits_leave_no_trace() {
    for file in corpus() {
        let bytes = fs::read(&file).expect("a file can be read");
        let name = file.display();
        let joined: Vec<u8> = token::cut(&bytes).into_iter().flat_map(|token| bytes[token.span].to_vec()).collect();
        assert_eq!(joined, bytes, "{name}");
        let mut text = Text::new(bytes.clone());
        assert_eq!(text.tree().fault, None, "{name}");
        let found = servers(&text);
        assert!(!found.is_empty(), "{name} has servers");
        for at in found {
            text.set_flag(at, "drain");
            text.set_parameter(at, "route", Some("a"));
            assert_ne!(text.bytes(), bytes, "{name}");
            text.unset_flag(at, "drain");
            text.set_parameter(at, "route", None);
            assert!(text.bytes() == bytes, "{name}: {}", String::from_utf8_lossy(text.bytes()));
        }
    }
}

/// Reads the upstream `web` of each file, as crossplane sees it, and everything else as one text.
const READ: &str = r#"
import crossplane, json, sys
def walk(block, found):
    rest = []
    for d in block:
        if d["directive"] == "upstream" and d["args"] == ["web"]:
            found.extend([[i["directive"], i["args"]] for i in d["block"]])
            rest.append("web")
        else:
            rest.append([d["directive"], d["args"], walk(d.get("block", []), found)])
    return rest
out = []
for name in sys.argv[1:]:
    parsed = crossplane.parse(name, single=True, check_ctx=False, check_args=False, catch_errors=False)
    found = []
    rest = walk(parsed["config"][0]["parsed"], found)
    out.append([found, rest])
print(json.dumps(out))
"#;

#[track_caller]
fn crossplane(files: &[PathBuf]) -> Vec<Value> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(python.exists(), "there is no {}; tests/run.sh makes it", python.display());
    let output = Command::new(python).args(["-c", READ]).args(files).output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a list")
}

#[test]
fn the_corpus_is_edited_as_another_reader_expects_and_comes_back() {
    const METHODS: [&str; 5] = ["hash", "ip_hash", "least_conn", "random", "least_time"];
    let folder = Folder::new();
    let (mut before, mut after, mut policy, mut back) = (Vec::new(), Vec::new(), String::new(), String::new());
    let files = corpus();
    let allow = "[guards]\nallow = [\"removes-capacity\"]\nmin_existing = 1000\n\n";
    for (number, file) in files.iter().enumerate() {
        let bytes = fs::read(file).expect("a file can be read");
        for (name, list) in
            [(format!("before/{number}.conf"), &mut before), (format!("after/{number}.conf"), &mut after)]
        {
            let path = folder.write(&name, "");
            fs::write(&path, &bytes).expect("a file can be written");
            list.push(path);
        }
        let target = format!("[nginx.n{number}]\nconfig = \"after/{number}.conf\"\nupstream = \"web\"\n");
        policy += &format!(
            "{target}[nginx.n{number}.node.new]\naddress = \"10.99.0.1:80\"\nweight = 7\nstate = \"maintenance\"\n"
        );
        back += &format!("{target}[nginx.n{number}.node.new]\nabsent = true\n");
        let tree = Text::new(bytes).tree().clone();
        if !tree.statements.iter().any(|statement| METHODS.contains(&statement.words[0].text.as_str())) {
            policy += &format!("[nginx.n{number}.balance]\nalgorithm = \"least-connections\"\n");
            back += &format!("[nginx.n{number}.balance]\nalgorithm = \"round-robin\"\n");
        }
    }
    folder.write("policies/all.toml", &(allow.to_owned() + &policy));
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0);
    for ((file, old), new) in files.iter().zip(crossplane(&before)).zip(crossplane(&after)) {
        let mut expected = old.clone();
        let block = expected[0].as_array_mut().expect("a block");
        if !block.iter().any(|line| METHODS.contains(&line[0].as_str().expect("a name"))) {
            block.insert(0, json!(["least_conn", []]));
        }
        let last = block.iter().rposition(|line| line[0] == "server").expect("a server");
        // The new one says what the others agree in.
        let agreed = |key: &str| {
            let said = |line: &Value| {
                line[1].as_array()?.iter().find(|word| word.as_str().is_some_and(|w| w.starts_with(key))).cloned()
            };
            let all: Vec<_> = block.iter().filter(|line| line[0] == "server").map(said).collect();
            all.windows(2).all(|pair| pair[0] == pair[1]).then(|| all[0].clone()).flatten()
        };
        let mut words = vec![json!("10.99.0.1:80"), json!("weight=7")];
        words.extend(["max_conns=", "max_fails="].into_iter().filter_map(agreed));
        words.extend(
            agreed("fail_timeout=").map(|word| if word == "fail_timeout=0" { json!("fail_timeout=0s") } else { word }),
        );
        words.push(json!("down"));
        block.insert(last + 1, json!(["server", words]));
        assert_eq!(new, expected, "{}", file.display());
    }
    folder.write("policies/all.toml", &(allow.to_owned() + &back));
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    for (file, path) in files.iter().zip(&after) {
        let (old, new) = (fs::read(file).expect("a file"), fs::read(path).expect("a file"));
        assert!(old == new, "{}:\n{}", file.display(), String::from_utf8_lossy(&new));
    }
}
