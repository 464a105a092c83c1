//! Servers and their certificates, as configurations have them.

use super::*;
use crate::providers::caddy::place::{Part, Place};

fn config(policies: &str, store: &str) -> String {
    format!(
        r#"{{
  "apps": {{
    "tls": {{"certificates": {store}, "x": 12345678901234567890123}},
    "http": {{"servers": {{"web": {{"automatic_https": {{"disable": true}}, "listen": [":443"],
      "tls_connection_policies": {policies},
      "routes": [{{"handle": [{{"@id": "lb", "handler": "reverse_proxy"}}]}}]}}}}}}
  }}
}}"#
    )
}

fn read(text: &str) -> (Value, Spot) {
    let root: Value = serde_json::from_str(text).expect("it is JSON");
    let spot = Place::parse("lb").locate(Part::Whole, &root).expect("a handler");
    (root, spot)
}

fn file(at: usize) -> Chosen {
    Chosen::File { at, certificate: format!("/{at}.crt"), key: format!("/{at}.key") }
}

const TWO: &str = r#"{"load_files": [{"certificate": "/0.crt", "key": "/0.key"}, {"certificate": "/1.crt", "key": "/1.key", "tags": ["a", "b"]}]}"#;
const ONE: &str = r#"{"load_files": [{"certificate": "/0.crt", "key": "/0.key"}]}"#;

#[test]
fn the_certificate_is_told_only_where_there_is_one_answer() {
    let check = |policies: &str, store: &str, expected: Chosen| {
        let (root, spot) = read(&config(policies, store));
        assert_eq!(Front::read(&root, &spot).expect("it speaks TLS").chosen, expected, "{policies} {store}");
    };
    check("[{}]", ONE, file(0));
    check("[{}, {\"alpn\": [\"h2\"]}]", ONE, file(0));
    check("[{}]", TWO, Chosen::Unclear("more than one file of `load_files` comes into question"));
    check(r#"[{"certificate_selection": {"any_tag": ["x", "b"]}}]"#, TWO, file(1));
    check(r#"[{"certificate_selection": {"all_tags": ["a", "b"]}}]"#, TWO, file(1));
    check(
        r#"[{"certificate_selection": {"any_tag": ["x"]}}]"#,
        TWO,
        Chosen::Unclear("the policies choose by a tag that no file has"),
    );
    check(
        r#"[{"certificate_selection": {"any_tag": ["a"]}}, {}]"#,
        TWO,
        Chosen::Unclear("the policies choose certificates in different ways"),
    );
    check(
        r#"[{"certificate_selection": {"serial_number": ["1"]}}]"#,
        ONE,
        Chosen::Unclear("the policies choose certificates by something else than tags"),
    );
    check("[{}]", "{}", Chosen::Nowhere);
    check("[{}]", r#"{"automate": []}"#, Chosen::Nowhere);
    check(
        "[{}]",
        r#"{"automate": ["a.example"]}"#,
        Chosen::Unclear("certificates come from elsewhere than `load_files`, too"),
    );
    let text = config("[{}]", "{}").replace(r#"{"disable": true}"#, "{}");
    let (root, spot) = read(&text);
    let found = Front::read(&root, &spot).expect("it speaks TLS").chosen;
    assert_eq!(found, Chosen::Unclear("caddy gets its certificates by itself"));
    let (root, spot) = read(&config("[]", ONE));
    assert_eq!(Front::read(&root, &spot), None, "it speaks no TLS");
}

#[test]
fn what_is_not_written_is_what_caddy_speaks() {
    let check = |policies: &str, versions: &[Protocol], ciphers: Option<&str>| {
        let (root, spot) = read(&config(policies, ONE));
        let found = Front::read(&root, &spot).expect("it speaks TLS");
        let spoken = found.protocols.clone().map(|all| all.into_iter().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(spoken, versions, "{policies}");
        if let Some(ciphers) = ciphers {
            assert_eq!(found.ciphers.as_deref(), Some(ciphers), "{policies}");
        }
    };
    let both = [Protocol::Tls12, Protocol::Tls13];
    check("[{}]", &both, None);
    check(r#"[{"protocol_min": "tls1.1"}]"#, &both, None);
    check(r#"[{"protocol_min": "tls1.3"}]"#, &both[1..], None);
    check(
        r#"[{"protocol_max": "tls1.2", "cipher_suites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]}]"#,
        &both[..1],
        Some("ECDHE-RSA-AES128-GCM-SHA256"),
    );
    check(r#"[{"protocol_min": "tls1.3"}, {}]"#, &[], None);
}

#[test]
fn only_what_is_served_changes_and_only_once() {
    let files = Files { certificate: "/new.crt".into(), key: "/new.key".into(), tag: "evenkeel.web".into() };
    let check = |policies: &str, store: &str, policies_then: &str, store_then: &str| {
        let (before, expected) = (config(policies, store), config(policies_then, store_then));
        let spot = read(&before).1;
        let made = serve(&before, &spot, &files).expect("it can be served");
        assert_eq!(made, expected);
        assert_eq!(serve(&made, &spot, &files), Some(made), "once more");
    };
    let tagged = r#"[{"certificate_selection": {"any_tag": ["a"]}}]"#;
    check(tagged, TWO, tagged, &TWO.replace("/1.", "/new."));
    check("[{}]", ONE, "[{}]", &ONE.replace("/0.", "/new."));
    let selected = "[{\n        \"certificate_selection\": {\"any_tag\":[\"evenkeel.web\"]}\n      }]";
    let added = "{\n      \"load_files\": [{\"certificate\":\"/new.crt\",\"key\":\"/new.key\",\"tags\":[\"evenkeel.web\"]}]\n    }";
    check("[{}]", "{}", selected, added);
    let text = config(r#"[{}, {"protocol_min": "tls1.2"}]"#, TWO);
    let spot = read(&text).1;
    assert_eq!(serve(&text, &spot, &files), None, "nobody knows in whose place");
    let made = speak(&text, &spot, "protocol_min", &json!("tls1.3")).expect("it speaks TLS");
    assert_eq!(made.matches(r#""protocol_min": "tls1.3""#).count(), 2, "{made}");
}

#[test]
fn listeners_are_met_where_the_endpoint_is() {
    let check = |listen: &str, host: &str, expected: &str| {
        let found = address(listen, host.parse().expect("an address"));
        assert_eq!(found.map_or("-".to_owned(), |found| found.to_string()), expected, "{listen}");
    };
    check(":443", "127.0.0.1", "127.0.0.1:443");
    check(":443", "10.0.0.5", "10.0.0.5:443");
    check("tcp/0.0.0.0:443", "127.0.0.1", "127.0.0.1:443");
    check("[::]:443", "127.0.0.1", "[::1]:443");
    check("10.0.0.7:8443-8445", "127.0.0.1", "10.0.0.7:8443");
    check("udp/:443", "127.0.0.1", "-");
    check("unix//run/web.sock", "127.0.0.1", "-");
    check("web.example:443", "127.0.0.1", "-");
}
