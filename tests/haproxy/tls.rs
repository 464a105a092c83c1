//! Certificates rotate while requests run; what must not be served is refused before anything is touched.

use super::{POOL, Pool};
use crate::kit::{Certificate, Folder, Wrk, free_port, seen};

struct Site {
    pool: Pool,
    port: u16,
    served: Folder,
}

impl Site {
    fn start(old: &Certificate) -> Self {
        let (served, port) = (Folder::new(), free_port());
        let file = served.write("site.pem", &old.bundle());
        let bind = format!("    bind 127.0.0.1:{port} ssl crt {} # TLS\n", file.display());
        Self { pool: Pool::with(&bind, POOL), port, served }
    }

    /// A policy that wants this certificate, and more of `tls`.
    fn wants(&self, new: &Certificate, more: &str) {
        let certificate = self.pool.folder.write("new.crt", &new.pem);
        let key = self.pool.folder.write("new.key", &new.key);
        let text = format!(
            "[haproxy.web.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n{more}",
            certificate.display(),
            key.display()
        );
        self.pool.policy("", &text);
    }

    /// Whether a client with these options gets in.
    fn lets_in(&self, options: &[&str]) -> bool {
        seen(self.port, options).is_some()
    }

    fn serves(&self, certificate: &Certificate) -> bool {
        certificate.is(seen(self.port, &[]).as_ref())
    }
}

#[test]
fn a_certificate_rotates_while_requests_run_and_nothing_reloads() {
    let (old, new) = (Certificate::new(&["a.example", "b.example"]), Certificate::new(&["a.example", "b.example"]));
    let site = Site::start(&old);
    assert!(site.serves(&old));
    let config = site.pool.balancer.config();
    let load = Wrk::paced(&format!("https://127.0.0.1:{}/", site.port), 60);
    site.wants(&new, "");
    let plan = site.pool.run(&["plan"]).code(0);
    plan.says("site.pem-]{+")
        .says("new.crt+} (sha256 ")
        .says(" until 2099-01-01)")
        .says("names a.example b.example, expires in ");
    site.pool.apply(&[]);
    assert!(site.serves(&new), "the new one is served");
    assert_eq!(site.served.read("site.pem"), new.bundle(), "and in its file");
    assert_eq!(site.pool.balancer.config(), config);
    assert!(site.pool.balancer.master("show proc").contains("[failed: 0]"));
    assert!(load.end().none_failed() > 100);
    // Renewed in its own file, as a client of ACME does it: only the memory is behind.
    let third = Certificate::new(&["a.example", "b.example"]);
    site.served.write("site.pem", &third.bundle());
    let path = site.served.file("site.pem");
    site.pool.policy("", &format!("[haproxy.web.tls]\ncertificate = \"{}\"\n", path.display()));
    site.pool
        .run(&["plan", "--detailed-exitcode"])
        .code(2)
        .says("[-(serial-]")
        .says("another certificate than its file");
    site.pool.apply(&[]);
    assert!(site.serves(&third));
}

#[test]
fn what_must_not_be_served_is_refused_before_anything_is_touched() {
    let old = Certificate::new(&["a.example"]);
    let site = Site::start(&old);
    let before = (site.pool.balancer.config(), site.served.read("site.pem"));
    let refused = |certificate: &Certificate, expected: &str| {
        site.wants(certificate, "\n[haproxy.web.node.n1]\nweight = 3\n");
        let output = site.pool.run(&["apply", "--yes"]).code(64);
        let output = output.says(expected).says("web.toml");
        assert!(!output.both().contains(&certificate.secret()), "{output}");
        assert_eq!((site.pool.balancer.config(), site.served.read("site.pem")), before);
        assert!(site.serves(&old));
    };
    for (certificate, expected) in Certificate::unusable() {
        refused(&certificate, expected);
    }
    let narrow = Certificate::new(&["b.example"]);
    site.wants(&narrow, "");
    site.pool.run(&["apply", "--yes"]).code(6).says("narrows-certificate").says("`a.example` not in the new one");
    site.pool.apply(&["narrows-certificate"]);
    assert!(site.serves(&narrow));
}

#[test]
fn the_versions_and_ciphers_of_tls_are_a_listeners_and_must_be_allowed() {
    let old = Certificate::new(&["a.example"]);
    let site = Site::start(&old);
    site.wants(&old, "protocols = [\"TLSv1.2\"]\nciphers = \"ECDHE-ECDSA-AES128-GCM-SHA256\"\n");
    assert!(site.lets_in(&["-tls1_3"]));
    let refused = site.pool.run(&["apply", "--yes"]).code(6);
    refused.says("listener").says("`protocols` and `ciphers` of `frontend fe`").says("binds its listener anew");
    assert!(site.lets_in(&["-tls1_3"]));
    let load = Wrk::paced(&format!("http://127.0.0.1:{}/", site.pool.balancer.port()), 60);
    site.pool.apply(&["listener"]);
    assert!(load.end().none_failed() > 100);
    assert!(!site.lets_in(&["-tls1_3"]) && site.lets_in(&["-tls1_2"]));
    assert!(!site.lets_in(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]));
    let line = "ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2 ciphers ECDHE-ECDSA-AES128-GCM-SHA256 # TLS\n";
    assert!(site.pool.balancer.config().contains(line), "{}", site.pool.balancer.config());
}

#[test]
fn without_a_line_that_speaks_tls_there_is_nothing_to_tune() {
    let pool = Pool::start();
    pool.policy("", "[haproxy.web.tls]\nprotocols = [\"TLSv1.3\"]\n");
    pool.run(&["plan"]).code(64).says("no frontend that leads to `web` has a `bind … ssl` line");
}
