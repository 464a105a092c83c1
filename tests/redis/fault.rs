//! Servers that fail in the middle: a true report, and a second run that finishes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Cache;
use crate::kit::{Redis, eventually};

const RULE: &str = "[redis.cache.ttl.all]\nmatch = \"k*\"\nmax_ttl = \"1h\"\njitter = \"10%\"\n";
const WARM: &str = "[redis.cache.warm.rows]\nkey = \"row:{id}\"\nttl = \"1h\"\nsource = { file = \"rows.jsonl\" }\n";

#[test]
fn a_server_that_dies_in_the_middle_is_told_and_the_next_run_finishes() {
    let cache = Cache::start(RULE);
    cache.server.each(200_000, "redis.call('set', 'k' .. i, 'v')");
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    cache.server.signal("KILL");
    run.wait().expect(1).says("redis.cache").says("enforce ttl all");
    let cache = Cache { server: Redis::start(), folder: cache.folder };
    cache.server.each(1_000, "redis.call('set', 'k' .. i, 'v')");
    cache.settle();
}

#[test]
fn a_server_that_restarts_in_the_middle_is_waited_for() {
    let mut cache = Cache::start(RULE);
    cache.server.each(200_000, "redis.call('set', 'k' .. i, 'v')");
    assert_eq!(cache.server.run(&["save"]), "OK");
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    cache.server.restart_after(Duration::from_millis(100));
    run.wait().expect(0);
    cache.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    assert!(cache.server.run(&["info", "keyspace"]).contains("keys=200000,expires=200000"));
}

#[test]
fn a_server_that_restarts_while_it_is_warmed_is_filled_to_the_end() {
    let mut cache = Cache::start(WARM);
    let rows: String = (0..200_000).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    cache.folder.write("rows.jsonl", &rows);
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    cache.server.restart_after(Duration::from_millis(100));
    // What was warm before is gone with the restart, so all of it is done again.
    run.wait().expect(0);
    cache.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    assert_eq!(cache.server.run(&["dbsize"]), "200000");
}

#[test]
fn a_connection_that_is_cut_is_opened_again() {
    let cache = Cache::start(RULE);
    cache.server.each(200_000, "redis.call('set', 'k' .. i, 'v')");
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    let cut: u32 = cache.server.run(&["client", "kill", "type", "normal", "skipme", "yes"]).parse().expect("a number");
    assert!(cut > 0, "somebody was connected");
    run.wait().expect(0);
    cache.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

#[test]
fn a_pass_that_is_cut_goes_on_where_it_was() {
    const KEYS: u64 = 300_000;
    let cache = Cache::start(RULE);
    cache.server.each(300_000, "redis.call('set', 'k' .. i, 'v')");
    let looked_at = || -> u64 {
        let statistics = cache.server.run(&["info", "commandstats"]);
        let calls = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_pttl:calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    };
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    // The plan looked at every key once; the pass is somewhere in the middle.
    assert!(eventually(Duration::from_secs(30), || looked_at() > KEYS + KEYS / 3), "the pass is at work");
    cache.server.run(&["client", "kill", "type", "normal", "skipme", "yes"]);
    let cut_at = looked_at();
    assert!(cut_at < 2 * KEYS - 20_000, "cut at {cut_at}");
    run.wait().expect(0);
    let pages = 20_000;
    assert!(looked_at() < 2 * KEYS + pages, "{} looks at {KEYS} keys, cut at {cut_at}", looked_at());
    assert!(cache.server.run(&["info", "keyspace"]).contains(&format!("keys={KEYS},expires={KEYS}")));
}

#[test]
fn a_lock_outlives_the_restart_of_its_server() {
    let mut cache =
        Cache::start("[redis.cache.purge.old]\nkeys = [\"k1\"]\ntoken = \"1\"\nmode = \"delayed\"\ndelay = \"8s\"\n");
    cache.server.run(&["set", "k1", "v"]);
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    cache.server.restart_after(Duration::from_millis(100));
    assert_eq!(cache.server.run(&["exists", "evenkeel:lock"]), "0");
    let taken = eventually(Duration::from_secs(7), || cache.server.run(&["exists", "evenkeel:lock"]) == "1");
    assert!(taken, "it is taken again");
    cache.run(&["apply", "--yes", "--lock-timeout", "300ms"]).code(5).says("`redis.cache` is locked by");
    run.wait().expect(0);
    assert_eq!(cache.server.run(&["exists", "evenkeel:lock"]), "0");
    assert_eq!(cache.server.run(&["hget", "evenkeel:purge", "cache.old"]), "1");
}

#[test]
fn a_run_that_lost_its_lock_starts_nothing_more() {
    let purge = |name: &str| format!("[redis.cache.purge.{name}]\nkeys = [\"{name}\"]\ntoken = \"1\"\n");
    let cache = Cache::start(&(purge("first") + "mode = \"delayed\"\ndelay = \"2s\"\n\n" + &purge("second")));
    cache.server.run(&["mset", "first", "v", "second", "v"]);
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    // As if the server had been away for a moment and had forgotten it, and somebody had been quick.
    cache.server.run(&["set", "evenkeel:lock", "theirs"]);
    run.wait().expect(7).says("another run took the lock `evenkeel:lock`").says("run it again once that one has ended");
    assert_eq!(cache.server.run(&["exists", "first", "second"]), "1");
    assert_eq!(cache.server.run(&["get", "evenkeel:lock"]), "theirs");
}

#[test]
fn a_server_that_pauses_its_clients_is_waited_for() {
    let cache = Cache::start(RULE);
    cache.server.each(1_000, "redis.call('set', 'k' .. i, 'v')");
    assert_eq!(cache.server.run(&["client", "pause", "1500", "all"]), "OK");
    cache.settle();
}

#[test]
fn a_server_that_is_still_loading_is_told_so() {
    let cache = Cache::on(
        Redis::with("enable-debug-command yes\nkey-load-delay 1000\nloading-process-events-interval-bytes 1024"),
        RULE,
    );
    cache.server.each(3_000, "redis.call('set', 'k' .. i, 'v')");
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| cache.server.run(&["debug", "reload"]));
        let loading = eventually(Duration::from_secs(5), || cache.server.run(&["ping"]).starts_with("LOADING"));
        assert!(loading, "it loads");
        cache.run(&["plan"]).code(3).says("LOADING Redis is loading the dataset in memory");
        assert_eq!(reload.join().expect("it ends"), "OK");
    });
    cache.settle();
}

#[test]
fn a_source_that_breaks_off_is_told_and_the_next_run_finishes() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let is_whole = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    let cache = Cache::start(&WARM.replace("file = \"rows.jsonl\"", &format!("http = \"http://{address}/rows\"")));
    let rows: String = (0..2_000).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming() {
                let mut stream = stream.expect("somebody connects");
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let _ = stream.read(&mut [0; 1024]).expect("a request");
                let sent = if is_whole.load(Ordering::Relaxed) { rows.len() } else { rows.len() / 2 };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rows.len());
                stream.write_all((head + &rows[..sent]).as_bytes()).expect("an answer");
            }
        });
        cache.run(&["plan"]).code(3).says("the source `http://").says("cannot be read");
        is_whole.store(true, Ordering::Relaxed);
        cache.settle();
        over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(address);
    });
    assert_eq!(cache.server.run(&["dbsize"]), "2000");
}

#[test]
fn a_source_that_breaks_off_after_the_plan_is_read_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let cache = Cache::start(&WARM.replace("file = \"rows.jsonl\"", &format!("http = \"http://{address}/rows\"")));
    let rows: String = (0..2_000).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    std::thread::scope(|scope| {
        // The plan reads all of it, the run half, and all of it when it tries again.
        scope.spawn(|| {
            for sent in [rows.len(), rows.len() / 2, rows.len()] {
                let (mut stream, _) = listener.accept().expect("somebody connects");
                let _ = stream.read(&mut [0; 1024]).expect("a request");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rows.len());
                stream.write_all((head + &rows[..sent]).as_bytes()).expect("an answer");
            }
        });
        cache.run(&["apply", "--yes"]).code(0).says("keys had been seen to before that").says("Applied: 1 done");
    });
    assert_eq!(cache.server.run(&["dbsize"]), "2000");
}

#[test]
fn a_server_that_stops_for_a_while_is_waited_for() {
    let cache = Cache::start(RULE);
    cache.server.each(100_000, "redis.call('set', 'k' .. i, 'v')");
    let run = cache.run(&["apply", "--yes"]).start();
    std::thread::sleep(Duration::from_millis(300));
    cache.server.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    cache.server.signal("CONT");
    run.wait().expect(0);
    cache.run(&["plan", "--detailed-exitcode"]).code(0);
}

#[test]
fn a_replica_refuses_and_is_told_to_be_one() {
    let primary = Redis::start();
    let replica =
        Redis::with(&format!("replicaof 127.0.0.1 {}\nmasterauth {}", primary.port(), crate::kit::REDIS_PASSWORD));
    let synced =
        eventually(Duration::from_secs(20), || replica.run(&["info", "replication"]).contains("master_link_status:up"));
    assert!(synced, "the replica follows");
    primary.each(10, "redis.call('set', 'k' .. i, 'v')");
    let arrived = eventually(Duration::from_secs(10), || replica.run(&["dbsize"]) == "10");
    assert!(arrived, "the replica has the keys");
    let cache = Cache::on(replica, RULE);
    cache.run(&["plan", "--detailed-exitcode"]).code(2);
    cache.run(&["apply", "--yes"]).code(1).says("READONLY").says("this server is a replica");
}

#[test]
fn a_lock_that_nobody_holds_any_more_is_named_and_released() {
    let cache = Cache::start(RULE);
    cache.server.run(&["set", "k1", "v"]);
    let note = r#"{"who":"ci@runner-7","pid":4711,"run":"r1","since":"2026-01-01T00:00:00Z"}"#;
    cache.server.run(&["set", "evenkeel:lock", note, "px", "60000"]);
    cache
        .run(&["apply", "--yes", "--lock-timeout", "300ms"])
        .code(5)
        .says("ci@runner-7, pid 4711, run r1 since 2026-01-01T00:00:00Z");
    cache.run(&["unlock", "redis.cache", "--yes"]).code(0).says("released the lock of ci@runner-7");
    cache.settle();
    assert_eq!(cache.server.run(&["exists", "evenkeel:lock"]), "0");
}

#[test]
fn a_lock_of_somebody_else_is_in_nobodys_way_who_changes_nothing_there() {
    let cache = Cache::start(RULE);
    cache.server.run(&["set", "k1", "v"]);
    cache.settle();
    let note = r#"{"who":"ci@runner-7","pid":4711,"run":"r1","since":"2026-01-01T00:00:00Z"}"#;
    cache.server.run(&["set", "evenkeel:lock", note, "px", "60000"]);
    let apply = ["apply", "--yes", "--lock-timeout", "300ms"];
    cache.run(&apply).code(0).says("No changes");
    // Something to do elsewhere is done, with one look at everything.
    let elsewhere = "[app.api]\npublish = { file = \"run.json\" }\n[app.api.pool]\nmax = 10\n";
    cache.folder.write("policies/elsewhere.toml", elsewhere);
    cache.run(&apply).code(0).says("Applied: 1 done");
    assert_eq!(cache.server.run(&["get", "evenkeel:lock"]), note);
}
