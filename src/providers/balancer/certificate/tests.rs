//! Certificates that were made here, held against their keys and against clocks.

use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

fn made(names: &[&str], key: &KeyPair) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 12, 20);
    params.self_signed(key).expect("a certificate").pem()
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn told(pem: &str, key: &str, now: &str) -> Vec<String> {
    let show = |fault: Fault| format!("{}: {}", fault.attribute, fault.message);
    match Material::parse(pem.as_bytes(), key.as_bytes(), false) {
        Ok(material) => material.faults(at(now)).into_iter().map(show).collect(),
        Err(fault) => vec![show(fault)],
    }
}

const NOON: &str = "2026-11-27T12:00:00Z";

#[test]
fn a_certificate_is_held_against_its_key_and_the_clock() {
    let (key, other) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let pem = made(&["example.com"], &key);
    let check = |pem: &str, key: &str, now: &str, expected: &[&str]| assert_eq!(told(pem, key, now), expected);
    check(&pem, &key.serialize_pem(), NOON, &[]);
    check(&pem, &other.serialize_pem(), NOON, &["key: the key does not belong to the certificate"]);
    check(
        &pem,
        &key.serialize_pem(),
        "2027-01-01T00:00:00Z",
        &["certificate: the certificate expired 12 days ago, 2026-12-20"],
    );
    check(
        &pem,
        &other.serialize_pem(),
        "2025-12-31T00:00:00Z",
        &[
            "certificate: the certificate is not valid before 2026-01-01",
            "key: the key does not belong to the certificate",
        ],
    );
    check("nothing", &key.serialize_pem(), NOON, &["certificate: there is no certificate in it"]);
    check(&pem, &pem, NOON, &["key: there is no private key in it"]);
    let torn = pem.replacen('M', "!", 1);
    assert_eq!(told(&torn, &key.serialize_pem(), NOON).len(), 1);
}

#[test]
fn a_bundle_holds_certificate_and_key_and_nothing_shows_the_key() {
    let key = KeyPair::generate().expect("a key");
    let pem = made(&["example.com"], &key);
    let both = format!("# renewed\n{pem}{}", key.serialize_pem());
    let material = Material::parse(both.as_bytes(), both.as_bytes(), true).expect("one file");
    let bundle = material.bundle().expose();
    let again = Material::parse(bundle.as_bytes(), bundle.as_bytes(), true).expect("the bundle is read");
    assert_eq!(again.certificate, material.certificate);
    assert!(!bundle.contains('#'));
    let secret = key.serialize_pem();
    let secret = secret.lines().nth(1).expect("a line");
    assert!(bundle.contains(secret) && !format!("{material:?}").contains(secret));
}

#[test]
fn the_same_content_is_the_same_certificate_wherever_it_is() {
    let (key, other) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let read = |pem: &str| Certificate::parse(pem.as_bytes()).expect("a certificate");
    let (old, new) = (read(&made(&["a.example", "b.example"], &key)), read(&made(&["*.example"], &other)));
    assert_eq!(new.lacks(&old), Vec::<&str>::new());
    assert_eq!(old.lacks(&new), ["*.example"]);
    let tls = |path: &str| Tls { certificate: Some(Pem::from(path.to_owned())), ..Tls::default() };
    let compared = |wanted: &Certificate, served: Option<&Certificate>| {
        let (mut want, mut live) = (tls("/new.crt"), tls("/old.pem"));
        compare(&mut want, &mut live, wanted, served);
        [live, want].map(|tls| tls.certificate.expect("a path").to_string())
    };
    assert_eq!(compared(&old, Some(&old)), ["/new.crt", "/new.crt"]);
    let [live, want] = compared(&new, Some(&old));
    assert_eq!(live, format!("/old.pem (sha256 {}, until 2026-12-20)", &old.fingerprint[..16]));
    assert_eq!(want, format!("/new.crt (sha256 {}, until 2026-12-20)", &new.fingerprint[..16]));
    let chained = read(&(made(&["a.example"], &key) + &made(&["ca"], &other)));
    assert!(chained.issuers.is_some() && chained.content().contains(", issuers "));
    assert_eq!(new.end(at(NOON)), "in 22 days, 2026-12-20");
}
