//! Application settings through the real binary: a file, and a key of Redis.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::kit::{Folder, Redis, Run, eventually};

const BODY: &str = "[app.api.pool]\nmax = 20\nmin = 5\nacquire_timeout = \"30s\"\n\
                    [app.api.cache_level.l1]\ntype = \"memory\"\nttl = \"5m\"\npriority = 1\n";

fn published(publish: &str) -> Folder {
    Folder::with_policy(&format!("[app.api]\npublish = {publish}\n{BODY}"))
}

#[test]
fn a_file_is_published_field_by_field_and_the_rest_stays() {
    let folder = published("{ file = \"run.json\" }");
    let before = "{\n\t\"theirs\": [1.0, 12345678901234567890123],\n\t\"pool\": {\"max\": 50, \"note\": \"é\"},\n\t\"cache_level\": {}\n}";
    let path = folder.write("run.json", before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(2).says("50 -> 20").says("acquire_timeout");
    assert_eq!(folder.read("run.json"), before);
    Run::new(&folder).args(["apply", "--yes"]).code(6).says("shrinks-pool");
    Run::new(&folder).args(["apply", "--yes", "--allow", "shrinks-pool"]).code(0);
    insta::assert_snapshot!(folder.read("run.json"), @r#"
    {
    	"theirs": [1.0, 12345678901234567890123],
    	"pool": {"max": 20, "note": "é", "min": 5, "acquire_timeout_ms": 30000},
    	"cache_level": {
    		"l1": {
    			"type": "memory",
    			"ttl_ms": 300000,
    			"priority": 1
    		}
    	}
    }
    "#);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0);
    let exported = Run::new(&folder).args(["export", "app.api"]).code(0).stdout;
    folder.write("policies/shop.toml", &exported);
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0);
    fs::write(&path, folder.read("run.json").replace("\"max\": 20", "\"max\": 21")).unwrap();
    Run::new(&folder).args(["drift"]).code(2).says("21");
    fs::write(&path, "{").unwrap();
    Run::new(&folder).args(["plan"]).code(3).says("not JSON");
}

#[test]
fn what_is_published_is_judged_together_with_what_is_there() {
    let folder = Folder::with_policy("[app.api]\npublish = { file = \"run.json\" }\n[app.api.pool]\nmin = 30\n");
    folder.write("run.json", "{\"pool\": {\"max\": 20}}");
    Run::new(&folder).args(["plan"]).code(64).says("min 30 is over max 20");
    let folder = Folder::with_policy(
        "[app.api]\npublish = { file = \"run.json\" }\n[app.api.pool]\nmin = 30\nmax = 20\nidle_timeout = \"1s\"\n",
    );
    Run::new(&folder).args(["check"]).code(64).says("min 30 is over max 20").says("idle_timeout 1s is under 5s");
}

#[test]
fn a_key_of_redis_is_exchanged_and_told() {
    let redis = Redis::start();
    let folder = published("{ redis = \"redis.cache\", key = \"config:api\", channel = \"changes\" }");
    let direct = published("{ redis = { env = \"URL\" }, key = \"config:api\", channel = \"changes\" }");
    redis.run(&["set", "config:api", "{\"theirs\":1}", "EX", "1000"]);
    let mut listener = Command::new("redis-cli")
        .args([
            "-u",
            &redis.url().replace("redis://:", "redis://default:"),
            "--no-auth-warning",
            "subscribe",
            "changes",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::from(fs::File::create(direct.file("heard")).expect("a file")))
        .spawn()
        .expect("redis-cli starts");
    assert!(eventually(Duration::from_secs(5), || redis.run(&["pubsub", "numsub", "changes"]).contains('1')));
    let run = |args: &[&str]| Run::new(&direct).args(args).env("URL", redis.url());
    run(&["plan", "--detailed-exitcode"]).code(2);
    run(&["apply", "--yes"]).code(0).says("publish changes").hides(&redis.url());
    assert!(eventually(Duration::from_secs(5), || direct.read("heard").contains("config:api")));
    let _ = listener.kill();
    let _ = listener.wait();
    insta::assert_snapshot!(redis.run(&["get", "config:api"]), @r#"{"theirs":1,"pool":{"max": 20,"min": 5,"acquire_timeout_ms": 30000},"cache_level":{"l1": {"type": "memory","ttl_ms": 300000,"priority": 1}}}"#);
    assert_ne!(redis.run(&["ttl", "config:api"]), "-1", "its expiry is kept");
    assert_eq!(redis.run(&["keys", "evenkeel:*"]), "", "the lock is gone");
    run(&["plan", "--detailed-exitcode"]).code(0);
    let refused = Run::new(&direct).args(["plan"]).env("URL", redis.url().replace("planted", "wrong")).code(3);
    refused.hides("wrong-redis");
    // Through another target's connection.
    let text = folder.read("policies/shop.toml");
    folder.write("policies/shop.toml", &format!("{text}[redis.cache]\nurl = \"{}\"\n", redis.url()));
    let through = Run::new(&folder).args(["plan", "--detailed-exitcode"]).output();
    // Known as soon as there is a provider `redis`.
    if through.code == Some(64) {
        through.says("redis");
    } else {
        through.expect(0);
    }
}

#[test]
fn production_and_development_are_overlays_of_one_policy() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (env, max, min) in [("production", 20, 5), ("development", 10, 2)] {
        let folder = Folder::new();
        for file in [
            "policies/app.toml",
            "policies/pgbouncer.toml",
            "policies/env/production.toml",
            "policies/env/development.toml",
        ] {
            let text = fs::read_to_string(root.join(file)).expect("a policy");
            // The same policy on files of our own, with no server.
            let text = text.replace("/etc/shop/runtime.json", "runtime.json").replace("/etc/pgbouncer/", "");
            let lines = text.lines().filter(|line| !line.starts_with("admin_url"));
            folder.write(file, &lines.fold(String::new(), |text, line| text + line + "\n"));
        }
        folder.write("pgbouncer.ini", "[databases]\n[pgbouncer]\nmax_client_conn = 10\n");
        let run = |args: &[&str]| Run::new(&folder).args(args).args(["--env", env]);
        run(&["check"]).code(0);
        run(&["apply", "--yes", "--allow", "shrinks-pool", "--allow", "changes-pool-mode"]).code(0);
        run(&["plan", "--detailed-exitcode"]).code(0);
        let published = folder.read("runtime.json");
        assert!(published.contains(&format!("\"max\": {max},")), "{published}");
        assert!(published.contains(&format!("\"min\": {min}")), "{published}");
    }
}
