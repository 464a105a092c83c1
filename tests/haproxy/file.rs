//! Without a socket the file alone is managed: losslessly, checked where HAProxy is there, and what is left to others is said.

use crate::kit::{Certificate, Folder, Run, haproxy_binary};

const FILE: &str = "# Edited by hand.
global
    log stderr local0 # everything

defaults
\tmode http
\ttimeout connect 1s
\ttimeout client  20s
\ttimeout server  20s

frontend fe
    bind 127.0.0.1:18080
    default_backend web

backend web
    balance static-rr  # since 2019
    server n1 10.0.0.1:80   weight 10 check
    server n2 10.0.0.2:80 weight 10 check # old
    server n3 10.0.0.3:80 disabled
# The end.
";

struct Site {
    folder: Folder,
}

impl Site {
    fn start(text: &str) -> Self {
        let folder = Folder::new();
        folder.write("haproxy.cfg", text);
        Self { folder }
    }

    fn policy(&self, settings: &str, resources: &str) {
        let target = "[haproxy.web]\nconfig = \"haproxy.cfg\"\nbackend = \"web\"\n";
        self.folder.write("policies/web.toml", &format!("{target}{settings}\n{resources}"));
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::new(&self.folder).args(args)
    }

    fn text(&self) -> String {
        self.folder.read("haproxy.cfg")
    }
}

fn binary() -> String {
    format!("binary = \"{}\"\n", haproxy_binary())
}

#[test]
fn without_a_socket_the_file_alone_is_managed() {
    let site = Site::start(FILE);
    site.policy(
        &binary(),
        "[haproxy.web.balance]\nalgorithm = \"least-connections\"\n[haproxy.web.reuse]\nmax_connections = 50\n\
         [haproxy.web.node.n1]\nweight = 30\n[haproxy.web.node.n2]\nabsent = true\n[haproxy.web.node.n3]\nstate = \"ready\"\n\
         [haproxy.web.node.n4]\naddress = \"localhost:80\"\nstate = \"maintenance\"\n",
    );
    let plan = site.run(&["plan"]).code(0);
    plan.says("no running haproxy is asked or told, nothing is reloaded; reload it after applying")
        .says("systemctl reload haproxy")
        .says("waits-for-reload  haproxy serves as before until somebody reloads it")
        .says("removes-capacity  1 of 4 nodes, 2 ready stay")
        .says("haproxy -c; edit haproxy.cfg: ")
        .hides("nobody checks the file");
    assert_eq!(site.text(), FILE, "planning writes nothing");
    site.run(&["apply", "--yes"]).code(6).says("--allow removes-capacity");
    site.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(0).says("Applied: 2 done");
    let expected = FILE
        .replace("balance static-rr  # since 2019\n", "balance leastconn  # since 2019\n")
        .replace("backend web\n    balance", "backend web\n    default-server maxconn 50\n    balance")
        .replace("weight 10 check\n", "weight 30 check\n")
        .replace("    server n2 10.0.0.2:80 weight 10 check # old\n", "")
        .replace("10.0.0.3:80 disabled\n", "10.0.0.3:80\n    server n4 localhost:80 disabled\n");
    assert_eq!(site.text(), expected);
    site.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    site.folder.write("haproxy.cfg", &expected.replace("weight 30", "weight 3"));
    site.run(&["drift"]).code(2).says("node.n1").says("weight is 3, policy says 30");
}

#[test]
fn what_haproxy_refuses_is_not_written_and_without_it_nobody_checks() {
    let broken = FILE.replace("# The end.", "nonsense here");
    let site = Site::start(&broken);
    let weight = "[haproxy.web.node.n1]\nweight = 3\n";
    site.policy(&binary(), weight);
    site.run(&["apply", "--yes"]).code(1).says("haproxy does not accept the configuration").says("nonsense");
    assert_eq!(site.text(), broken);
    site.policy("binary = \"nowhere/haproxy\"\n", weight);
    let plan = site.run(&["plan"]).code(0);
    plan.says("`nowhere/haproxy` cannot be run here, so that nobody checks the file").hides("haproxy -c; edit");
    site.run(&["apply", "--yes"]).code(0);
    assert_eq!(site.text(), broken.replace("80   weight 10", "80   weight 3"));
}

#[test]
fn what_needs_the_running_one_is_told_at_its_key() {
    let site = Site::start(FILE);
    site.policy("", "[haproxy.web.node.n1]\nstate = \"drain\"\n");
    site.run(&["check"]).code(64).says("the target has no `socket`").says("web.toml:6").says("state = \"maintenance\"");
    site.policy("master_socket = \"/run/haproxy-master.sock\"\n", "[haproxy.web.node.n1]\nweight = 3\n");
    site.run(&["check"]).code(64).says("a reload is seen to succeed through the `socket`").says("web.toml:4");
    site.policy("socket = \"\"\n", "[haproxy.web.node.n1]\nweight = 3\n");
    site.run(&["check"]).code(64).says("a socket is a path or `tcp://host:port`");
    site.policy("", "[haproxy.web.tls]\nprotocols = [\"TLSv1.3\"]\n");
    site.run(&["plan"]).code(64).says("no frontend that leads to `web` has a `bind … ssl` line");
    std::fs::remove_file(site.folder.file("haproxy.cfg")).expect("a file can be removed");
    site.run(&["plan"]).code(3).says("there is no `haproxy.cfg`");
}

#[test]
fn the_pool_is_guarded_by_what_the_file_says() {
    let site = Site::start(FILE);
    site.policy("min_healthy = 2\n", "[haproxy.web.node.n1]\nstate = \"maintenance\"\n");
    let refused = site.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    refused.says("below-minimum  1 of 3 nodes ready, `min_healthy` is 2");
    site.policy("", "[haproxy.web.node.n1]\nweight = 0\n[haproxy.web.node.n2]\nabsent = true\n");
    site.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6).says("empties-pool");
    assert_eq!(site.text(), FILE);
}

#[test]
fn a_certificate_is_written_where_haproxy_looks_for_it() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example"]));
    let served = Folder::new();
    let place = served.write("site.pem", &old.bundle());
    let bind = format!("    bind 127.0.0.1:18443 ssl crt {}\n", place.display());
    let text = FILE.replace("    default_backend", &format!("{bind}    default_backend"));
    let site = Site::start(&text);
    let (pem, key) = (site.folder.write("new.crt", &new.pem), site.folder.write("new.key", &new.key));
    let (pem, key) = (pem.display(), key.display());
    let files = format!("certificate = \"{pem}\"\nkey = \"{key}\"\n");
    site.policy(&binary(), &format!("[haproxy.web.tls]\n{files}protocols = [\"TLSv1.3\"]\n"));
    let plan = site.run(&["plan"]).code(0);
    plan.says(&format!("write {} << {pem} and {key} (", place.display()))
        .says("waits-for-reload")
        .hides("set ssl cert");
    site.run(&["apply", "--yes"]).code(6).says("listener  `protocols` of `frontend fe`");
    site.run(&["apply", "--yes", "--allow", "listener"]).code(0).hides(&new.secret());
    assert_eq!(served.read("site.pem"), new.bundle());
    assert_eq!(site.text(), text.replace("site.pem\n", "site.pem ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.3\n"));
    site.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

#[test]
fn a_file_that_somebody_edits_meanwhile_keeps_the_edit() {
    let site = Site::start(FILE);
    site.policy("", "[haproxy.web.node.n1]\nweight = 3\n");
    site.run(&["plan", "-o", "plan.json"]).code(0);
    site.folder.write("haproxy.cfg", &FILE.replace("10.0.0.1:80   weight 10", "10.0.0.1:80   weight 4"));
    site.run(&["apply", "--plan", "plan.json"]).code(4);
    // Somewhere else in the file it is nobody's business but is kept.
    let noted = FILE.replace("# The end.", "# Somebody was here.");
    site.folder.write("haproxy.cfg", &noted);
    site.run(&["apply", "--plan", "plan.json"]).code(0);
    assert_eq!(site.text(), noted.replace("10.0.0.1:80   weight 10", "10.0.0.1:80   weight 3"));
}
