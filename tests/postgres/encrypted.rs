//! Encrypted connections: who answers is verified against the authority that the address names.

use std::path::Path;
use std::process::Command;

use crate::kit::{Folder, Postgres, Run};

/// Makes an authority `NAME.crt` in `folder`; with `server`, also a certificate for 127.0.0.1 that it signs, `server.crt`.
fn certify(folder: &Path, name: &str, server: Option<&str>) {
    let run = |args: &str| {
        let mut openssl = Command::new("openssl");
        let output = openssl.args(args.split(' ')).current_dir(folder).output().expect("openssl starts");
        assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!("req -x509 {key} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"));
    if let Some(server) = server {
        std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").expect("a file can be written");
        run(&format!("req -new {key} -subj /CN={server} -keyout server.key -out server.csr"));
        run(&format!(
            "x509 -req -in server.csr -CA {name}.crt -CAkey {name}.key -CAcreateserial -days 2 -extfile names -out server.crt"
        ));
    }
}

#[test]
fn who_answers_is_verified() {
    let mut server = Postgres::start();
    let folder = Folder::with_policy(
        "[postgres.shop]\nurl = { env = \"DATABASE_URL\" }\n\n[postgres.shop.index.users_by_tenant]\ntable = \"users\"\ncolumns = [\"tenant_id\"]\n",
    );
    server.sql("create table users (id int, tenant_id int); create index users_by_tenant on users (tenant_id)");
    certify(folder.path(), "authority", Some("db"));
    certify(folder.path(), "stranger", None);
    for file in ["server.crt", "server.key"] {
        let (text, to) = (folder.read(file), server.data().join(file));
        // Written by the server itself, so that they belong to it.
        server.sql(&format!(
            "copy (select unnest(string_to_array($${}$$, e'\\n'))) to '{}'",
            text.trim_end(),
            to.display()
        ));
    }
    let key = server.data().join("server.key");
    assert!(Command::new("chmod").arg("600").arg(&key).status().expect("chmod starts").success());
    server.sql("alter system set ssl = on");
    server.restart();

    let url = server.url();
    let plan = |more: &str| Run::new(&folder).args(["plan"]).env("DATABASE_URL", format!("{url}{more}"));
    let full = format!("?sslmode=verify-full&sslrootcert={}", folder.file("authority.crt").display());
    plan(&full).code(0).says("No changes");
    let encrypted = "select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid) where ssl and application_name = 'tests'";
    assert_ne!(server.sql(encrypted), "0", "the server encrypts");
    let strange = full.replace("authority.crt", "stranger.crt");
    plan(&strange).code(3).says("certificate").says("sslrootcert").hides("planted");
    plan("?sslmode=verify-full").code(3).says("certificate").hides("planted");
    plan(&full.replace("authority.crt", "nothing.crt")).code(3).says("nothing.crt").hides("planted");
    // The certificate is for another name.
    let named = url.replace("127.0.0.1", "localhost") + &full;
    Run::new(&folder).args(["plan"]).env("DATABASE_URL", named).code(3).says("certificate");

    server.sql("alter system reset ssl");
    server.restart();
    plan(&full).code(3).says("TLS").says("sslmode");
}
