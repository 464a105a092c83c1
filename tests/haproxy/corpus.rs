//! Files as people write them: edited and taken back they are the same, byte for byte, and HAProxy takes the edited one if it took the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel::model::units::Duration;
use evenkeel::providers::balancer::{Algorithm, Balance, Health, Node, NodeState, Protocol, Reuse, Spec, Sticky, Tls};
use evenkeel::providers::haproxy::editor::edit;

use crate::kit::{Folder, haproxy_binary};

fn wants() -> Vec<(&'static str, Option<Spec>)> {
    let seconds = |n| Some(Duration::from_secs(n));
    let node = |address: Option<&str>, weight, state| {
        Some(Spec::Node(Node { address: address.map(str::to_owned), weight, state }))
    };
    vec![
        ("", Some(Spec::Balance(Balance { algorithm: Some(Algorithm::IpHash) }))),
        (
            "",
            Some(Spec::Health(Health {
                enabled: Some(true),
                path: Some("/up".into()),
                interval: seconds(7),
                timeout: seconds(3),
                unhealthy_threshold: Some(4),
                healthy_threshold: Some(5),
            })),
        ),
        (
            "",
            Some(Spec::Reuse(Reuse {
                max_connections: Some(77),
                idle_connections: Some(8),
                idle_timeout: seconds(9),
                keepalive_interval: seconds(11),
            })),
        ),
        ("", Some(Spec::Sticky(Sticky { cookie: Some("sid".into()), ttl: seconds(3600) }))),
        ("", Some(Spec::Tls(Tls { protocols: Some(BTreeSet::from([Protocol::Tls13])), ..Tls::default() }))),
        ("a", node(Some("10.9.9.9:99"), Some(3), Some(NodeState::Maintenance))),
        ("new", node(Some("10.9.9.8:98"), Some(4), None)),
    ]
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/haproxy");
    let entries = fs::read_dir(folder).expect("the corpus is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Whether HAProxy finds nothing wrong; that a file listens nowhere is not wrong.
fn accepted(folder: &Folder, text: &str) -> Result<(), String> {
    let path = folder.write("haproxy.cfg", text);
    let mut command = Command::new(haproxy_binary());
    let output = command.arg("-c").arg("-f").arg(path).stdin(Stdio::null()).output().expect("haproxy is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let fine = output.status.success() || said.contains("has no error but will not start");
    if fine { Ok(()) } else { Err(said) }
}

#[test]
fn what_is_edited_and_taken_back_is_the_same() {
    let (folder, wants) = (Folder::new(), wants());
    let (files, mut taken) = (files(), 0);
    assert!(files.len() >= 40, "{} files", files.len());
    for path in &files {
        let (name, text) = (path.display(), fs::read_to_string(path).expect("a text"));
        for want in &wants {
            let edited = edit(&text, "web", std::slice::from_ref(want)).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(edited.reverted().as_deref(), Ok(text.as_str()), "{name}: {want:?}");
        }
        let edited = edit(&text, "web", &wants).expect("it was edited before");
        assert_ne!(edited.text, text, "{name}");
        assert_eq!(edited.reverted().as_deref(), Ok(text.as_str()), "{name}: all together");
        let again = edit(&edited.text, "web", &wants).expect("it can be read");
        assert_eq!(again.text, edited.text, "{name}: what is there already is not written again");
        let gone = edit(&text, "web", &[("a", None)]).expect("it can be read");
        let lines = |text: &str| text.lines().count();
        assert!(lines(&text) - lines(&gone.text) <= 1, "{name}");
        if accepted(&folder, &text).is_ok() {
            taken += 1;
            if let Err(said) = accepted(&folder, &edited.text) {
                panic!("{name}: {said}\n{}", edited.text);
            }
        }
    }
    assert!(taken >= 30, "HAProxy takes {taken} of {}", files.len());
}
