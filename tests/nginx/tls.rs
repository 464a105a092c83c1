//! Certificates rotate by a reload that is seen at the listener; what must not be served is refused before anything is touched.

use super::Pool;
use crate::kit::{Certificate, Client, Folder, Load, free_port, seen};

struct Site {
    pool: Pool,
    port: u16,
    served: Folder,
}

impl Site {
    fn start(old: &Certificate) -> Self {
        let (served, port) = (Folder::new(), free_port());
        let pem = served.write("site.crt", &old.pem);
        let key = served.write("site.key", &old.key);
        let text = format!(
            "upstream web {{\n    server [n1];\n    server [n2];\n}}\nserver {{\n    listen 127.0.0.1:{port} ssl; # TLS\n    \
             ssl_certificate {};\n    ssl_certificate_key {};\n    location / {{ proxy_pass http://web; }}\n}}\n",
            pem.display(),
            key.display()
        );
        Self { pool: Pool::with(&text), port, served }
    }

    /// A policy that wants this certificate, and more of `tls`.
    fn wants(&self, new: &Certificate, more: &str) {
        let pem = self.pool.folder.write("new.crt", &new.pem);
        let key = self.pool.folder.write("new.key", &new.key);
        let files = format!("certificate = \"{}\"\nkey = \"{}\"\n", pem.display(), key.display());
        self.pool.policy("", &format!("[nginx.web.tls]\n{files}{more}"));
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
fn a_certificate_rotates_by_a_reload_also_behind_an_unchanged_path() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example", "b.example"]));
    let site = Site::start(&old);
    let config = site.pool.balancer.config();
    assert!(site.serves(&old));
    let load = Load::start(site.pool.balancer.port(), &[Client::Single]);
    site.wants(&new, "");
    site.pool
        .run(&["plan"])
        .code(0)
        .says("site.crt-]{+")
        .says("until 2099-01-01)")
        .says("names a.example, expires in ");
    site.pool.apply(&[]);
    let (good, bad) = load.stop();
    assert!(good > 0 && bad.is_empty(), "{good} {bad:?}");
    assert!(site.serves(&new), "the new one is served");
    let (own, ours) = (site.served.path().display().to_string(), site.pool.folder.path().display().to_string());
    let expected = config.replace(&format!("{own}/site"), &format!("{ours}/new"));
    assert_eq!(site.pool.balancer.config(), expected, "two words changed");
    // Renewed behind the same path, as a client of ACME does it: only what runs is behind.
    let third = Certificate::new(&["a.example", "b.example"]);
    site.wants(&third, "");
    site.pool.run(&["plan", "--detailed-exitcode"]).code(2).says("another certificate than its file");
    site.pool.apply(&[]);
    assert!(site.serves(&third));
    assert_eq!((site.pool.balancer.config(), site.pool.balancer.reloads()), (expected, 2));
}

#[test]
fn what_must_not_be_served_is_refused_before_anything_is_touched() {
    let old = Certificate::new(&["a.example"]);
    let site = Site::start(&old);
    let before = (site.pool.balancer.files(), site.pool.balancer.workers());
    let refused = |certificate: &Certificate, expected: &str| {
        site.wants(certificate, "\n[nginx.web.node.n1]\naddress = \"[n1]\"\nweight = 3\n");
        let output = site.pool.run(&["apply", "--yes"]).code(64);
        let output = output.says(expected).says("web.toml");
        assert!(!output.both().contains(&certificate.secret()), "{output}");
        assert_eq!((site.pool.balancer.files(), site.pool.balancer.workers()), before);
    };
    for (certificate, expected) in Certificate::unusable() {
        refused(&certificate, expected);
    }
    assert!(site.serves(&old));
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
    let refused = site.pool.run(&["apply", "--yes"]).code(6);
    refused.says("listener").says("`protocols` and `ciphers` of").says("web.conf line 5");
    assert_eq!(site.pool.balancer.reloads(), 0);
    site.pool.apply(&["listener"]);
    assert!(!site.lets_in(&["-tls1_3"]) && site.lets_in(&["-tls1_2"]));
    assert!(!site.lets_in(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"]));
    let lines = ";\n    ssl_protocols TLSv1.2;\n    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;\n    location";
    assert!(site.pool.balancer.config().contains(lines), "{}", site.pool.balancer.config());
    site.wants(&old, "ciphers = \"TLS_AES_128_GCM_SHA256\"\n");
    site.pool.run(&["check"]).code(64).says("knows no ciphers of TLS 1.3");
}

#[test]
fn what_another_file_says_is_left_to_it_and_told() {
    let old = Certificate::new(&["a.example"]);
    let pool = Pool::start();
    pool.policy("", "[nginx.web.tls]\nprotocols = [\"TLSv1.2\"]\n");
    pool.run(&["plan"]).code(64).says("no `server` block that passes to `web` has a `listen … ssl`");
    let served = Folder::new();
    let (pem, key) = (served.write("site.crt", &old.pem), served.write("site.key", &old.key));
    let text = format!(
        "server {{\n    listen 127.0.0.1:{} ssl;\n    ssl_certificate {};\n    ssl_certificate_key {};\n    location / {{ proxy_pass http://web; }}\n}}\n",
        free_port(),
        pem.display(),
        key.display()
    );
    pool.balancer.folder().write("conf.d/tls.conf", &text);
    pool.balancer.reload();
    let files = format!("certificate = \"{}\"\nkey = \"{}\"\n", pem.display(), key.display());
    pool.policy("", &format!("[nginx.web.tls]\n{files}"));
    pool.run(&["plan", "--detailed-exitcode"]).code(0);
    pool.policy("", &format!("[nginx.web.tls]\n{files}protocols = [\"TLSv1.2\"]\n"));
    let refused = pool.run(&["plan"]).code(64);
    refused
        .says("conf.d/tls.conf` line 1")
        .says("which is not the target's file")
        .says("write `ssl_protocols TLSv1.2;` there");
    assert_eq!(pool.balancer.folder().read("conf.d/tls.conf"), text);
}

/// A pool behind a block that speaks TLS, said by hand: in it and around it.
fn behind(port: u16, block: &str, around: &str) -> Pool {
    let pool = Pool::start();
    let text = format!(
        "\nserver {{\n    listen 127.0.0.1:{port} ssl;\n{block}    location / {{ proxy_pass http://web; }}\n}}\n"
    );
    pool.balancer.edit("conf.d/web.conf", "    keepalive 16;\n}\n", &format!("    keepalive 16;\n}}\n{text}"));
    pool.balancer.edit("nginx.conf", "    include conf.d", &format!("{around}    include conf.d"));
    pool.balancer.reload();
    pool
}

/// A certificate in files of a folder, as nginx names it.
fn named(certificate: &Certificate, folder: &Folder, name: &str) -> String {
    let pem = folder.write(&format!("{name}.crt"), &certificate.pem);
    let key = folder.write(&format!("{name}.key"), &certificate.key);
    format!("    ssl_certificate {};\n    ssl_certificate_key {};\n", pem.display(), key.display())
}

#[test]
fn a_certificate_that_is_said_around_the_block_is_said_in_it_from_then_on() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example"]));
    let (served, port) = (Folder::new(), free_port());
    let pool = behind(port, "", &named(&old, &served, "site"));
    assert!(old.is(seen(port, &[]).as_ref()));
    let main = pool.balancer.folder().read("nginx.conf");
    let words = named(&new, &pool.folder, "new");
    let files =
        words.replace("    ssl_certificate ", "certificate = \"").replace("    ssl_certificate_key ", "key = \"");
    let files = files.replace(';', "\"");
    pool.policy("", &format!("[nginx.web.tls]\n{files}"));
    pool.run(&["plan"]).code(0).says("site.crt-]{+").says("names a.example, expires in ");
    pool.apply(&[]);
    assert!(new.is(seen(port, &[]).as_ref()));
    assert_eq!(pool.balancer.folder().read("nginx.conf"), main, "others inherit it");
    assert!(pool.balancer.config().contains(&format!(" ssl;\n{words}    location")), "{}", pool.balancer.config());
}

#[test]
fn a_certificate_behind_a_variable_is_left_to_it_and_told() {
    let (old, served, port) = (Certificate::new(&["a.example"]), Folder::new(), free_port());
    let words = named(&old, &served, "a.example").replace("a.example.", "$ssl_server_name.");
    let pool = behind(port, &words, "");
    let own = served.file("a.example").display().to_string();
    pool.policy("", &format!("[nginx.web.tls]\ncertificate = \"{own}.crt\"\nkey = \"{own}.key\"\n"));
    let refused = pool.run(&["plan"]).code(64);
    refused.says("name it with a variable").says("leave `certificate` out").says("web.toml:10");
    pool.policy("", "[nginx.web.tls]\nprotocols = [\"TLSv1.2\"]\n");
    pool.run(&["plan"])
        .code(0)
        .says("names its certificate with a variable: which one a client is served is not known");
    let config = pool.balancer.config();
    pool.apply(&["listener"]);
    let expected = config.replace(&words, &format!("{words}    ssl_protocols TLSv1.2;\n"));
    assert_eq!(pool.balancer.config(), expected);
}

#[test]
fn the_versions_of_a_block_that_is_no_default_server_have_no_effect_and_the_plan_says_so() {
    let (ours, other) = (Certificate::new(&["a.example"]), Certificate::new(&["b.example"]));
    let (served, port) = (Folder::new(), free_port());
    let pool = behind(port, &format!("    server_name a.example;\n{}", named(&ours, &served, "a")), "");
    let first = format!(
        "server {{\n    listen 127.0.0.1:{port} ssl;\n    server_name b.example;\n{}    ssl_protocols TLSv1.2 TLSv1.3;\n    return 204;\n}}\n",
        named(&other, &served, "b")
    );
    pool.balancer.folder().write("conf.d/a.conf", &first);
    pool.balancer.reload();
    pool.policy("", "[nginx.web.tls]\nprotocols = [\"TLSv1.2\"]\n");
    let told = format!("nginx takes `ssl_protocols` for 127.0.0.1:{port} from its default server, `");
    pool.run(&["plan"]).code(0).says(&told).says("conf.d/a.conf` line 1: those of `");
    pool.apply(&["listener"]);
    let gets_in = |version: &str| served_as(port, version);
    assert!(gets_in("-tls1_3"), "which is what the plan says");
    assert_eq!(pool.balancer.folder().read("conf.d/a.conf"), first);
    pool.balancer.edit("conf.d/web.conf", " ssl;\n", " ssl default_server;\n");
    pool.balancer.reload();
    pool.run(&["plan", "--detailed-exitcode"]).code(0).hides("nginx takes `ssl_protocols`");
    assert!(!gets_in("-tls1_3") && gets_in("-tls1_2"), "now they have");
}

/// Whether a client of `a.example` gets in with a version of TLS.
fn served_as(port: u16, version: &str) -> bool {
    seen(port, &["-servername", "a.example", version]).is_some()
}

#[test]
fn a_cookie_of_its_own_needs_a_newer_nginx() {
    let pool = Pool::start();
    pool.policy("", "[nginx.web.sticky]\ncookie = \"srv\"\nttl = \"1h\"\n");
    pool.run(&["plan"]).code(64).says("nginx 1.22.1 has no sticky cookies (from 1.29.6 on)").says("hash $cookie_NAME");
}
