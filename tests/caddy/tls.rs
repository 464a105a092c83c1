//! Certificates rotate by a reload that is seen at the listener; what must not be served is refused before anything is touched.

use super::Pool;
use super::lost::over;
use crate::kit::{Certificate, Client, Cut, Extra, Folder, Load, Network, Output, Wire, Wrk, in_a_network_that, seen};

struct Site {
    pool: Pool,
    served: Folder,
}

/// A policy that chooses by a tag, and something beside it that nobody may touch.
const TAGGED: &str = r#""tls_connection_policies": [{"certificate_selection":  {"any_tag": ["shop"]}, "alpn": ["h2", "http/1.1"]}],
          "#;

impl Site {
    fn start(old: &Certificate) -> Self {
        Self::with(
            old,
            TAGGED,
            r#"{"certificate": "[site.crt]", "key": "[site.key]", "tags": ["shop"]},  {"certificate": "[site.crt]", "key": "[site.key]", "tags": ["other"]}"#,
        )
    }

    /// With these members of the server, and these files.
    fn with(old: &Certificate, server: &str, files: &str) -> Self {
        let served = Folder::new();
        let path = |name: &str, text: &str| served.write(name, text).display().to_string();
        let files =
            files.replace("[site.crt]", &path("site.crt", &old.pem)).replace("[site.key]", &path("site.key", &old.key));
        let apps = format!("\"tls\": {{\"certificates\": {{\"load_files\":  [{files}]}}}},\n    ");
        Self { pool: Pool::with(&Extra { server, apps: &apps, ..Extra::default() }), served }
    }

    /// A policy that wants this certificate, and more of `tls`.
    fn wants(&self, new: &Certificate, more: &str) {
        let pem = self.pool.folder.write("new.crt", &new.pem);
        let key = self.pool.folder.write("new.key", &new.key);
        let files = format!("certificate = \"{}\"\nkey = \"{}\"\n", pem.display(), key.display());
        self.pool.policy(&self.pool.balancer.file(), &format!("[caddy.web.tls]\n{files}{more}"));
    }

    /// The certificate that a client sees with these options, if it sees one.
    fn seen(&self, options: &[&str]) -> Option<String> {
        seen(self.pool.balancer.port(), options)
    }

    fn serves(&self, certificate: &Certificate) -> bool {
        certificate.is(self.seen(&[]).as_ref())
    }

    /// What runs and what is written, which nothing may touch.
    fn all(&self) -> (serde_json::Value, String) {
        (self.pool.balancer.get("/config/apps"), self.pool.balancer.config())
    }

    #[track_caller]
    fn planned(&self) -> Output {
        self.pool.run(&["plan"]).code(0)
    }
}

#[test]
fn a_certificate_rotates_under_load_also_behind_an_unchanged_path() {
    let name = "caddy::tls::a_certificate_rotates_under_load_also_behind_an_unchanged_path";
    let network = in_a_network_that("ipv4/tcp_migrate_req", "1", name);
    if network == Network::Passed {
        return;
    }
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example", "b.example"]));
    let site = Site::start(&old);
    let (running, config) = site.all();
    assert!(site.serves(&old));
    let third = Certificate::new(&["a.example", "b.example"]);
    let port = site.pool.balancer.port();
    let many = Wrk::single(&format!("https://127.0.0.1:{port}/"), 4);
    let clients = [Client::Single, Client::Single, Client::Retrying];
    let load = Load::trusting(&[&old, &new, &third], "a.example", port, &clients);
    site.wants(&new, "");
    site.planned()
        .says("site.crt-]{+")
        .says("until 2099-01-01)")
        .says("names a.example, expires in ")
        .says("PATCH /config/apps If-Match: tls.certificates.load_files: ")
        .says("(reload, ");
    site.pool.apply(&[]);
    assert!(site.serves(&new), "the new one is served");
    let (own, ours) = (site.served.path().display().to_string(), site.pool.folder.path().display().to_string());
    let expected = config.replacen(&format!("{own}/site"), &format!("{ours}/new"), 2);
    assert_eq!(site.pool.balancer.config(), expected, "two words changed");
    let expected_running = running.to_string().replacen(&format!("{own}/site"), &format!("{ours}/new"), 2);
    assert_eq!(site.all().0.to_string(), expected_running, "and the same two in what runs");
    // Renewed behind the same path, as a client of ACME does it: only what runs is behind.
    site.wants(&third, "");
    site.pool
        .run(&["plan", "--detailed-exitcode"])
        .code(2)
        .says("another certificate than its file")
        .says("If-Match, Cache-Control: must-revalidate");
    site.pool.apply(&[]);
    assert!(site.serves(&third));
    assert_eq!((site.all().0.to_string(), site.pool.balancer.config()), (expected_running, expected));
    let (good, bad) = load.stop();
    assert!(good > 100, "{good} requests are hardly a load");
    if network == Network::Inside {
        assert_eq!(bad, [""; 0], "no handshake and no request failed, of {good}");
        assert!(many.none_failed() > 100);
    } else {
        assert!(bad.len() <= 20 && bad.iter().all(|why| why.contains("reset by peer")), "of {good}: {bad:?}");
    }
}

#[test]
fn a_renewal_whose_answer_is_lost_is_found_by_a_handshake() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["b.example", "a.example"]));
    // One file and no tag: who asks for a name that is not in it is shown nothing.
    let site =
        Site::with(&old, "\"tls_connection_policies\": [{}],", r#"{"certificate": "[site.crt]", "key": "[site.key]"}"#);
    let (pem, key) = (site.served.write("site.crt", &new.pem), site.served.write("site.key", &new.key));
    let (running, config) = site.all();
    let cut = |cut: Cut| {
        let wire = Wire::to(site.pool.balancer.admin_port(), cut);
        let files = format!("[caddy.web.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", pem.display(), key.display());
        site.pool.policy("", &files);
        over(&site.pool, &wire);
        wire
    };
    let names = |name: &str| site.seen(&["-servername", name]);
    let wire = cut(Cut::Write);
    site.pool.run(&["apply", "--yes"]).code(7).says("in doubt").says("nobody knows whether it was done");
    assert!(old.is(names("a.example").as_ref()) && names("b.example").is_none(), "it was not");
    drop(wire);
    let wire = cut(Cut::Answer);
    site.pool.run(&["apply", "--yes"]).code(0).says("Applied");
    assert_eq!(wire.writes(), 1);
    assert!(new.is(names("b.example").as_ref()));
    site.pool.run(&["apply", "--yes"]).code(0).says("No changes");
    assert_eq!((wire.writes(), site.all()), (1, (running, config)), "nothing that is written changed");
}

#[test]
fn what_must_not_be_served_is_refused_before_anything_is_touched() {
    let old = Certificate::new(&["a.example", "b.example"]);
    let site = Site::start(&old);
    let before = site.all();
    let refused = |certificate: &Certificate, expected: &str| {
        site.wants(certificate, "\n[caddy.web.balance]\nalgorithm = \"ip-hash\"\n");
        let output = site.pool.run(&["apply", "--yes"]).code(64).says(expected).says("web.toml");
        assert!(!output.both().contains(&certificate.secret()), "{output}");
        assert_eq!(site.all(), before);
    };
    for (certificate, expected) in Certificate::unusable() {
        refused(&certificate, expected);
    }
    refused(&Certificate::between(&["a.example"], 2090, 2099), "the certificate is not valid before 2090-01-01");
    assert!(site.serves(&old));
    site.wants(&Certificate::new(&["b.example"]), "");
    site.pool.run(&["apply", "--yes"]).code(6).says("narrows-certificate").says("`a.example` not in the new one");
    site.pool.apply(&["narrows-certificate"]);
    site.pool
        .run(&["export", "caddy.web"])
        .code(0)
        .says("certificate = ")
        .says("protocols = [\"TLSv1.2\", \"TLSv1.3\"]");
}

#[test]
fn a_certificate_that_changed_since_it_was_planned_is_not_served() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example"]));
    let site = Site::start(&old);
    site.wants(&new, "");
    site.pool.run(&["plan", "-o", "plan.json"]).code(0);
    site.wants(&Certificate::new(&["a.example"]), "");
    site.pool.run(&["apply", "--plan", "plan.json"]).code(4).says("certificate");
    assert!(site.serves(&old));
    // Somebody else's server is no part of the write of a handler, and one of a certificate.
    let plan = |resources: &str| {
        site.pool.policy(&site.pool.balancer.file(), &format!("{resources}[caddy.web.node.n4]\naddress = \"[n4]\"\n"));
        site.pool.sick("n4");
        let run = site.pool.run(&["apply", "--yes"]).start();
        std::thread::sleep(std::time::Duration::from_secs(1));
        run
    };
    let meddle = |method: &str| {
        let answer =
            site.pool.balancer.ask(method, "/config/apps/http/servers/other", r#"{"listen": ["127.0.0.1:0"]}"#);
        assert!(answer.contains("200 OK"), "{answer}");
        site.pool.well("n4");
    };
    let path = |name: &str| site.pool.folder.file(name).display().to_string();
    let run = plan(&format!("[caddy.web.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", path("new.crt"), path("new.key")));
    meddle("PUT");
    run.wait().expect(1).says("was changed by somebody else since it was read; nothing was written");
    assert!(site.serves(&old) && site.pool.names() == "n1 n2 n3");
    let run = plan("");
    meddle("PATCH");
    run.wait().expect(0);
    assert!(site.serves(&old) && site.pool.names() == "n1 n2 n3 n4");
}

#[test]
fn the_versions_and_ciphers_of_tls_are_a_listeners_and_must_be_allowed() {
    let old = Certificate::new(&["a.example"]);
    let site = Site::start(&old);
    let more = "protocols = [\"TLSv1.2\"]\nciphers = \"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384\"\n";
    site.pool.policy(&site.pool.balancer.file(), &format!("[caddy.web.tls]\n{more}"));
    site.planned()
        .says("PATCH /config/apps/http/servers/web If-Match: tls_connection_policies.*.protocol_min = \"tls1.2\"")
        .says("`protocols` and `ciphers` in 1 connection policy of the server")
        .says("(binds its listener anew, ");
    let before = site.all();
    site.pool.run(&["apply", "--yes"]).code(6).says("--allow listener");
    assert_eq!(site.all(), before);
    assert!(site.seen(&["-tls1_3"]).is_some());
    site.pool.apply(&["listener"]);
    assert!(site.seen(&["-tls1_3"]).is_none() && site.seen(&["-tls1_2"]).is_some());
    assert!(site.seen(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]).is_none());
    let policy = site.pool.balancer.get("/config/apps/http/servers/web/tls_connection_policies/0");
    assert_eq!(policy["cipher_suites"][0], "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    assert_eq!(policy["alpn"], serde_json::json!(["h2", "http/1.1"]), "what is foreign stays");
    let text = site.pool.balancer.config();
    assert!(
        text.contains(r#""certificate_selection":  {"any_tag": ["shop"]}, "alpn": ["h2", "http/1.1"], "protocol_min"#),
        "{text}"
    );
    // Another order is the same to Caddy.
    let other = more.replace(
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
    );
    site.pool.policy(&site.pool.balancer.file(), &format!("[caddy.web.tls]\n{other}"));
    site.pool.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    let check = |resource: &str, says: &str| {
        site.pool.policy("", &format!("[caddy.web.tls]\n{resource}\n"));
        site.pool.run(&["check"]).code(64).says(says).says("web.toml");
    };
    check("protocols = [\"TLSv1.1\", \"TLSv1.2\"]", "caddy has no TLS 1.1");
    check("ciphers = \"TLS_AES_128_GCM_SHA256\"", "caddy has no choice among the ciphers of TLS 1.3");
    check("ciphers = \"HIGH:!aNULL\"", "caddy has no cipher `HIGH`");
    check("absent = true", "is a part of every server and cannot be absent");
}

#[test]
fn a_first_certificate_gets_a_tag_and_one_of_many_is_left_alone() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["b.example"]));
    let none = Site::with(&old, "\"tls_connection_policies\": [{}],", "");
    assert_eq!(none.seen(&[]), None, "nothing is served yet");
    none.wants(&new, "");
    none.pool.apply(&[]);
    assert!(none.serves(&new));
    let files = none.pool.balancer.get("/config/apps/tls/certificates/load_files");
    assert_eq!(files[0]["tags"], serde_json::json!(["evenkeel.web"]));
    let third = Certificate::new(&["b.example", "c.example"]);
    let bundle = none.pool.folder.write("both.pem", &third.bundle());
    none.pool.policy(&none.pool.balancer.file(), &format!("[caddy.web.tls]\ncertificate = \"{}\"\n", bundle.display()));
    none.pool.apply(&[]);
    assert!(none.serves(&third), "the key may be in the same file");
    let now = none.pool.balancer.get("/config/apps/tls/certificates/load_files");
    assert_eq!((&now[0]["tags"], now.as_array().map(Vec::len)), (&files[0]["tags"], Some(1)), "it has one of its own");

    let many = Site::with(
        &old,
        "\"tls_connection_policies\": [{}],",
        r#"{"certificate": "[site.crt]", "key": "[site.key]"}, {"certificate": "[site.crt]", "key": "[site.key]"}"#,
    );
    many.wants(&new, "");
    let refused = many.pool.run(&["plan"]).code(64).says("which certificate the server serves cannot be said");
    refused.says("more than one file of `load_files`").says("any_tag");
    let plain = Pool::start();
    plain.policy("", "[caddy.web.tls]\nprotocols = [\"TLSv1.3\"]\n");
    plain.run(&["plan"]).code(64).says("has no `tls_connection_policies`").says("from then on it is tuned here");
}
