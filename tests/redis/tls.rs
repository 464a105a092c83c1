//! TLS, verified unless nobody could, and a socket of the file system.

use super::Cache;
use crate::kit::{Certificate, Folder, REDIS_PASSWORD, Redis, free_port};

const RULE: &str = "[redis.cache.ttl.all]\nmatch = \"k*\"\nmax_ttl = \"1h\"\n";

#[test]
fn a_certificate_is_verified_and_an_authority_can_be_named() {
    let (own, other) = (Certificate::new(&["127.0.0.1"]), Certificate::new(&["127.0.0.1"]));
    let elsewhere = Certificate::new(&["cache.example"]);
    let folder = Folder::new();
    for (name, text) in [
        ("own.pem", &own.pem),
        ("own.key", &own.key),
        ("other.pem", &other.pem),
        ("elsewhere.pem", &elsewhere.pem),
        ("elsewhere.key", &elsewhere.key),
    ] {
        folder.write(name, text);
    }
    let path = |name: &str| folder.file(name).display().to_string();
    let serve = |name: &str| {
        let port = free_port();
        let (pem, key) = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
        let server = Redis::with(&format!(
            "tls-port {port}\ntls-cert-file {pem}\ntls-key-file {key}\ntls-ca-cert-file {pem}\ntls-auth-clients no"
        ));
        server.run(&["set", "k1", "v"]);
        (server, format!("rediss://:{REDIS_PASSWORD}@127.0.0.1:{port}"))
    };
    let (server, url) = serve("own");
    let cache = Cache::on(server, RULE);
    cache.run(&["plan"]).env("REDIS_URL", &url).code(3).says("certificate");
    cache.rewrite(&format!("ca = {:?}\n{RULE}", path("other.pem")));
    cache.run(&["plan"]).env("REDIS_URL", &url).code(3).says("certificate").says("`ca`");
    cache.rewrite(&format!("ca = {:?}\n{RULE}", path("own.pem")));
    cache.run(&["apply", "--yes"]).env("REDIS_URL", &url).code(0);
    assert_ne!(cache.server.run(&["ttl", "k1"]), "-1");
    // The name has to be right too.
    let (server, url) = serve("elsewhere");
    let cache = Cache::on(server, &format!("ca = {:?}\n{RULE}", path("elsewhere.pem")));
    cache.run(&["plan"]).env("REDIS_URL", &url).code(3).says("certificate");
}

#[test]
fn a_socket_of_the_file_system_is_an_address() {
    let folder = Folder::new();
    let socket = folder.file("redis.sock");
    let server = Redis::with(&format!("unixsocket {}", socket.display()));
    server.run(&["set", "k1", "v"]);
    let cache = Cache::on(server, RULE);
    let url = format!("redis+unix://{}?pass={REDIS_PASSWORD}", socket.display());
    cache.run(&["apply", "--yes"]).env("REDIS_URL", &url).code(0).hides(REDIS_PASSWORD);
    assert_ne!(cache.server.run(&["ttl", "k1"]), "-1");
}
