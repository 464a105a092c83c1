//! `PgBouncer` through the real binary: all three modes, console users with few rights, a workload that must not notice, and a file
//! of which no other byte may change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::kit::{CONSOLE_PASSWORD, Folder, Pgbouncer, Postgres, Run, program};

/// Which sides of the pooler the policy names.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Console,
    File,
    Both,
}

/// A folder with a policy over `server`, in one mode.
fn policy(server: &Pgbouncer, mode: Mode, body: &str) -> Folder {
    let console = if mode == Mode::File { "" } else { "admin_url = { env = \"CONSOLE\" }\n" };
    let config = format!("config = \"{}\"\n", server.config().display());
    let config = if mode == Mode::Console { "" } else { &config };
    Folder::with_policy(&format!("[pgbouncer.main]\n{console}{config}{body}"))
}

fn run(server: &Pgbouncer, folder: &Folder, args: &[&str]) -> Run {
    Run::new(folder).args(args).env("CONSOLE", server.url("console_admin"))
}

const ALLOW: &[&str] = &["apply", "--yes", "--allow", "shrinks-pool", "--allow", "changes-pool-mode"];

const SETTINGS: &str = "[pgbouncer.main.settings]\ndefault_pool_size = 7\nquery_wait_timeout = \"30s\"\n";
const POOL: &str = "[pgbouncer.main.pool.shop]\npool_size = 9\npool_mode = \"transaction\"\n";

#[test]
fn every_mode_converges_and_then_does_nothing() {
    let postgres = Postgres::start();
    for mode in [Mode::Console, Mode::File, Mode::Both] {
        let server = Pgbouncer::start(&postgres, "query_wait_timeout = 60\n");
        let body = if mode == Mode::Console { SETTINGS.to_owned() } else { format!("{SETTINGS}{POOL}") };
        let folder = policy(&server, mode, &body);
        let before = (server.ini(), server.ask("show config"), server.ask("show databases"));
        run(&server, &folder, &["plan", "--detailed-exitcode"]).code(2).hides(CONSOLE_PASSWORD);
        assert_eq!(
            before,
            (server.ini(), server.ask("show config"), server.ask("show databases")),
            "planning writes nothing"
        );
        run(&server, &folder, &["apply", "--yes"]).code(6).says("shrinks-pool");
        run(&server, &folder, ALLOW).code(0).hides(CONSOLE_PASSWORD);
        run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0).says("No changes.");
        let now = (server.setting("default_pool_size"), server.setting("query_wait_timeout"), server.pool_size("shop"));
        let now = (now.0.as_str(), now.1.as_str(), now.2.as_deref());
        match mode {
            Mode::Console => {
                assert_eq!(now, ("7", "30", Some("7")));
                assert_eq!(server.ini(), before.0, "the console alone leaves the file alone");
                server.ask("reload");
                run(&server, &folder, &["drift"]).code(2);
            }
            Mode::File => {
                assert_eq!(now, ("20", "60", Some("20")), "without a console nothing is reloaded");
                server.ask("reload");
                assert_eq!(server.pool_size("shop").as_deref(), Some("9"));
            }
            Mode::Both => {
                assert_eq!(now, ("7", "30", Some("9")));
                server.ask("reload");
                run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0);
            }
        }
    }
}

#[test]
fn entries_come_and_go() {
    let postgres = Postgres::start();
    let server = Pgbouncer::start(&postgres, "");
    let entry = format!(
        "[pgbouncer.main.pool.extra]\nconnection = {{ host = \"127.0.0.1\", port = {}, dbname = \"shop\" }}\npool_size = 3\n",
        postgres.port()
    );
    let folder = policy(&server, Mode::Both, &entry);
    let before = server.ini();
    run(&server, &folder, &["apply", "--yes"]).code(0);
    assert_eq!(server.pool_size("extra").as_deref(), Some("3"));
    run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0);
    let folder = policy(&server, Mode::Both, "[pgbouncer.main.pool.extra]\nabsent = true\n");
    run(&server, &folder, &["apply", "--yes"]).code(6).says("drops-pool");
    run(&server, &folder, &["apply", "--yes", "--allow", "drops-pool"]).code(0);
    assert_eq!(server.pool_size("extra"), None);
    assert_eq!(server.ini(), before);
    run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0);
    let password = "[pgbouncer.main.pool.new]\nconnection = { host = \"h\", password = \"x\" }\n";
    run(&server, &policy(&server, Mode::Both, password), &["check"]).code(64).says("auth_file");
}

#[test]
fn a_restart_is_asked_for_once() {
    let postgres = Postgres::start();
    let mut server = Pgbouncer::start(&postgres, "");
    let folder = policy(&server, Mode::Both, "[pgbouncer.main.settings]\npkt_buf = \"8KiB\"\n");
    run(&server, &folder, &["apply", "--yes"]).code(0).says("needs-restart");
    assert_eq!(server.setting("pkt_buf"), "4096");
    run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0).says("until the next restart");
    server.restart();
    assert_eq!(server.setting("pkt_buf"), "8192");
    run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0).hides("until the next restart");
    run(&server, &policy(&server, Mode::Console, "[pgbouncer.main.settings]\npkt_buf = \"4KiB\"\n"), &["plan"])
        .code(64)
        .says("the console cannot change it");
}

#[test]
fn console_users_with_few_rights_get_a_plan_or_a_reason() {
    let postgres = Postgres::start();
    let server = Pgbouncer::start(&postgres, "");
    for mode in [Mode::Console, Mode::Both] {
        let folder = policy(&server, mode, "[pgbouncer.main.settings]\ndefault_pool_size = 30\n");
        let as_user = |user: &str, args: &[&str]| Run::new(&folder).args(args).env("CONSOLE", server.url(user));
        let before = server.ini();
        as_user("console_stats", &["plan", "--detailed-exitcode"]).code(2).says("20 -> 30");
        let refused = as_user("console_stats", &["apply", "--yes"]).output();
        assert!(matches!(refused.code, Some(1 | 7)), "{refused}");
        refused.says("admin_users").hides(CONSOLE_PASSWORD);
        assert_eq!(server.ini(), before, "what cannot be put into effect is not written");
        as_user("stranger", &["plan"]).code(3).says("stats_users").hides(CONSOLE_PASSWORD);
        assert_eq!(server.setting("default_pool_size"), "20");
    }
}

#[test]
fn a_run_that_died_after_the_file_is_finished_by_the_next() {
    let postgres = Postgres::start();
    let server = Pgbouncer::start(&postgres, "");
    let body = "[pgbouncer.main.settings]\ndefault_pool_size = 30\n[pgbouncer.main.pool.shop]\npool_size = 40\n";
    run(&server, &policy(&server, Mode::File, body), &["apply", "--yes"]).code(0);
    assert_eq!(server.setting("default_pool_size"), "20");
    let written = server.ini();
    let folder = policy(&server, Mode::Both, body);
    run(&server, &folder, &["plan", "--detailed-exitcode"]).code(2).says("reload").hides("edit ");
    run(&server, &folder, &["apply", "--yes"]).code(0);
    assert_eq!((server.setting("default_pool_size").as_str(), server.ini()), ("30", written));
    assert_eq!(server.pool_size("shop").as_deref(), Some("40"));
    run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0);
}

#[test]
fn drift_is_told_for_each_layer_and_nothing_else_is_undone() {
    let postgres = Postgres::start();
    let server = Pgbouncer::start(&postgres, "default_pool_size = 25\n");
    let folder = policy(&server, Mode::Both, "[pgbouncer.main.settings]\ndefault_pool_size = 25\n");
    run(&server, &folder, &["drift"]).code(0);
    server.ask("set default_pool_size = 31");
    run(&server, &folder, &["drift"]).code(2).says("31");
    server.ask("set default_pool_size = 25");
    server.write_ini(&server.ini().replace("default_pool_size = 25", "default_pool_size = 99"));
    run(&server, &folder, &["drift"]).code(2).says("99");
    // Somebody else's SET, which a RELOAD would undo: the change goes its own way instead.
    server.write_ini(&server.ini().replace("default_pool_size = 99", "default_pool_size = 25"));
    server.ask("set max_client_conn = 321");
    server.ask("set default_pool_size = 31");
    run(&server, &folder, &["apply", "--yes", "--allow", "shrinks-pool"]).code(0).says("max_client_conn 321 -> 100");
    assert_eq!(
        (server.setting("max_client_conn").as_str(), server.setting("default_pool_size").as_str()),
        ("321", "25")
    );
    // Where only RELOAD will do, it has to be allowed.
    let folder = policy(&server, Mode::Both, "[pgbouncer.main.pool.shop]\npool_size = 33\n");
    run(&server, &folder, &["apply", "--yes"]).code(6).says("reverts-live").says("max_client_conn 321 -> 100");
    run(&server, &folder, &["apply", "--yes", "--allow", "reverts-live"]).code(0);
    assert_eq!(server.setting("max_client_conn"), "100");
}

#[test]
fn no_transaction_fails_while_pools_grow_and_shrink() {
    let postgres = Postgres::start();
    let server = Pgbouncer::start(&postgres, "pool_mode = transaction\nmax_client_conn = 200\n");
    let bench = |args: &[&str]| {
        let mut command = Command::new(program("pgbench"));
        command.args(args).arg(server.shop_url()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let made = bench(&["--initialize", "--quiet", "--scale=1"]).output().expect("pgbench starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let load = bench(&["--client=16", "--jobs=2", "--time=8", "--protocol=simple"]).spawn().expect("pgbench starts");
    for (default, own) in [(4, 3), (20, 12), (2, 1), (15, 8)] {
        let body = format!(
            "[pgbouncer.main.settings]\ndefault_pool_size = {default}\n[pgbouncer.main.pool.shop]\npool_size = {own}\n"
        );
        let folder = policy(&server, Mode::Both, &body);
        run(&server, &folder, &["apply", "--yes", "--allow", "shrinks-pool"]).code(0);
        assert_eq!(server.pool_size("shop"), Some(own.to_string()));
        std::thread::sleep(std::time::Duration::from_millis(700));
    }
    let done = load.wait_with_output().expect("pgbench ends");
    let report = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{report}{}", String::from_utf8_lossy(&done.stderr));
    assert!(report.contains("number of failed transactions: 0 (0.000%)"), "{report}");
}

/// Applies `body` to a file and returns it afterwards.
fn edited(ini: &[u8], body: &str) -> Vec<u8> {
    let folder = Folder::with_policy(&format!("[pgbouncer.main]\nconfig = \"p.ini\"\n{body}"));
    fs::write(folder.file("p.ini"), ini).expect("a file can be written");
    Run::new(&folder).args(["plan"]).code(0);
    assert_eq!(fs::read(folder.file("p.ini")).expect("a file"), ini, "planning writes nothing");
    Run::new(&folder).args(ALLOW).args(["--allow", "moves-pool"]).code(0);
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0);
    fs::read(folder.file("p.ini")).expect("a file")
}

#[test]
fn no_other_byte_of_the_file_changes() {
    const BODY: &str =
        "[pgbouncer.main.settings]\ndefault_pool_size = 21\n[pgbouncer.main.pool.shop]\npool_size = 41\n";
    // Each file, with `<…>` around what goes and `{…}` around what comes.
    let stock = fs::read_to_string("/etc/pgbouncer/pgbouncer.ini").unwrap_or_default();
    let stock = stock
        .replacen(";foodb =\n", ";foodb =\nshop = host=db\n", 1)
        .replacen("shop = host=db\n", "shop = host=db{ pool_size=41}\n", 1)
        .replacen(";default_pool_size = 20\n", ";default_pool_size = 20\n{default_pool_size = 21\n}", 1);
    let odd = [
        "[databases]\nshop=host=db{ pool_size=41}\n[pgbouncer]\ndefault_pool_size=<9>{21}\n",
        "[databases]\r\nshop = host=db{ pool_size=41}\r\n[pgbouncer]\r\ndefault_pool_size = <9>{21}\r\n",
        "[databases]\n\tshop  =   host=db pool_size=<40>{41}   \n[pgbouncer]\n   default_pool_size\t=\t<9>{21}\t\n",
        "; a\n# b\n\n\n[databases]\n;shop = x\nshop = host=db{ pool_size=41}\n;shop = y\n[pgbouncer]\n;default_pool_size = 1\n{default_pool_size = 21\n}",
        "[databases]\nshop = host=db pool_size=1\nshop = host=db2 pool_size=<2>{41}\n[pgbouncer]\ndefault_pool_size=1\ndefault_pool_size=<2>{21}\n",
        "[pgbouncer]\ndefault_pool_size=1\n[databases]\nshop=host=db{ pool_size=41}\n[pgbouncer]\nmax_client_conn=5\n{default_pool_size=21\n}",
        "[databases] shop = host=db{ pool_size=41}\n[pgbouncer] default_pool_size = <1>{21}",
        "[databases]\nshop = host='a b' password='p''w' pool_size = '<40>' connect_query='select 1; -- x'\n[pgbouncer]\ndefault_pool_size = <0x9>{21}\n",
        "[databases]\nshop = pool_size=1 host=db pool_size=<2>{41}\n[pgbouncer]\ndefault_pool_size = <010>{21}\n",
        "[databases]\nshop ={ pool_size=41}\n[pgbouncer]\ndefault_pool_size = <1>{21}\n",
        "[databases]\nshop = host=db{ pool_size=41}\n[pgbouncer]\n{default_pool_size = 21\n}[users]\nu = pool_mode=session\n",
        "[databases]\nshop = host=db{ pool_size=41}\n{\n[pgbouncer]\ndefault_pool_size = 21\n}",
        "[databases]\n* = host=any\nshop = host=db{ pool_size=41}\nother = host=db pool_size=40\n[pgbouncer]\nauth_query = select 'default_pool_size=1'\ndefault_pool_size = <40>{21}\n",
        "[databases]\n\"shop\" = host=db{ pool_size=41}\n'odd name' = host=x\n[pgbouncer]\ndefault_pool_size = <40>{21}\n",
        "[databases]\nshop = host=h1,h2 user=u auth_user=a client_encoding=UTF8{ pool_size=41}\n[pgbouncer]\ndefault_pool_size = <40 ; no comment>{21}\n",
        "[databases]\nshop = host=db{ pool_size=41}\n[peers]\n1 = host=x\n[pgbouncer]\npeer_id = 1\n{default_pool_size = 21\n}",
        "[databases]\nshop = host=db pool_size=<0040x>{41}\n[pgbouncer]\ndefault_pool_size=<+40>{21}\n\n\n\n",
        "[databases]\nshop = host=db{ pool_size=41}\n[pgbouncer]\nlogfile=/x\n{default_pool_size=21\n};end",
        "[databases]\nshop = host=db{ pool_size=41}\n[pgbouncer]\n# caf\u{e9} \u{1f418}\ndefault_pool_size = <5>{21}\n# \u{fc}ber\n",
        "\n\n[databases]\nshop=host=/var/run/postgresql port=6000{ pool_size=41}\n[pgbouncer]\nmax_db_connections=1\n;default_pool_size=3\n{default_pool_size=21\n}server_lifetime=5\n",
        "[databases]\nshop = host=db{ pool_size=41}\n[pgbouncer]\ndefault_pool_size = <9>{21}\n[databases]\nlate = host=x\n",
    ];
    assert!(odd.len() >= 20);
    for marked in odd.into_iter().chain([stock.as_str()]) {
        let keep = |open: char, close: char, text: &str| -> String {
            let mut inside = false;
            let kept = text.chars().filter(|c| match *c {
                c if c == open => {
                    inside = true;
                    false
                }
                c if c == close => {
                    inside = false;
                    false
                }
                _ => !inside,
            });
            kept.collect()
        };
        let strip = |marks: &[char], text: &str| text.replace(marks, "");
        let marked = marked.replace("'<40>'", "<'40'>{41}");
        let stock = marked.contains("system default");
        let before = if stock { keep('{', '}', &marked) } else { strip(&['<', '>'], &keep('{', '}', &marked)) };
        let after = if stock { strip(&['{', '}'], &marked) } else { strip(&['{', '}'], &keep('<', '>', &marked)) };
        let found = String::from_utf8(edited(before.as_bytes(), BODY)).expect("UTF-8");
        assert_eq!(found, after, "from\n{before}");
    }
    // Bytes that are no text stay too.
    let latin = b"[databases]\nshop = host=db\n; caf\xe9\n[pgbouncer]\ndefault_pool_size = 2\n";
    let found = edited(latin, BODY);
    assert!(found.windows(5).any(|bytes| bytes == b"caf\xe9\n"));
}

#[test]
fn an_included_file_is_edited_where_its_value_wins() {
    let body = "[pgbouncer.main.settings]\ndefault_pool_size = 21\nmax_client_conn = 500\n";
    let folder = Folder::with_policy(&format!("[pgbouncer.main]\nconfig = \"p.ini\"\n{body}"));
    let main = folder
        .write("p.ini", "[databases]\n[pgbouncer]\ndefault_pool_size = 1\nmax_client_conn = 9\n%include sub/inc.ini\n");
    let included = folder.write("sub/inc.ini", "; theirs\ndefault_pool_size = 2\n");
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    assert_eq!(fs::read_to_string(included).unwrap(), "; theirs\ndefault_pool_size = 21\n");
    let expected = "[databases]\n[pgbouncer]\ndefault_pool_size = 1\nmax_client_conn = 500\n%include sub/inc.ini\n";
    assert_eq!(fs::read_to_string(main).unwrap(), expected);
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0);
    fs::remove_file(folder.file("sub/inc.ini")).unwrap();
    Run::new(&folder).args(["plan"]).code(3).says("sub/inc.ini");
}

#[test]
fn a_file_that_is_not_ours_to_write_is_left_whole() {
    let body = "[pgbouncer.main.settings]\ndefault_pool_size = 21\n";
    let folder = Folder::with_policy(&format!("[pgbouncer.main]\nconfig = \"link.ini\"\n{body}"));
    let ini = "[databases]\n[pgbouncer]\ndefault_pool_size = 30\n";
    let real = folder.write("real.ini", ini);
    symlink("real.ini", folder.file("link.ini")).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o440)).unwrap();
    Run::new(&folder).args(["plan"]).code(0).says("read-only");
    Run::new(&folder).args(ALLOW).code(1).says("read-only");
    assert_eq!(folder.read("real.ini"), ini);
    fs::set_permissions(&real, fs::Permissions::from_mode(0o664)).unwrap();
    Run::new(&folder).args(["plan", "-o", "plan.json"]).code(0);
    fs::write(&real, format!("{ini}max_client_conn = 7\n")).unwrap();
    let theirs = "[databases]\n[pgbouncer]\ndefault_pool_size = 40\n";
    fs::write(&real, theirs).unwrap();
    Run::new(&folder)
        .args(["apply", "--plan", "plan.json", "--allow", "shrinks-pool"])
        .code(4)
        .says("default_pool_size");
    assert_eq!(folder.read("real.ini"), theirs);
    Run::new(&folder).args(ALLOW).code(0);
    assert!(fs::symlink_metadata(folder.file("link.ini")).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o664);
    assert_eq!(folder.read("real.ini"), "[databases]\n[pgbouncer]\ndefault_pool_size = 21\n");
    fs::write(&real, "[pgbouncer]\nnonsense\n").unwrap();
    Run::new(&folder).args(["plan"]).code(3).says("line 2");
}

#[test]
fn what_is_exported_plans_to_nothing() {
    let postgres = Postgres::start();
    let server =
        Pgbouncer::start(&postgres, "max_client_conn = 250\nserver_idle_timeout = 90.5\npool_mode = transaction\n");
    for mode in [Mode::File, Mode::Both, Mode::Console] {
        let folder = policy(&server, mode, "");
        let exported = run(&server, &folder, &["export", "pgbouncer.main"]).code(0).hides(CONSOLE_PASSWORD).stdout;
        assert!(exported.contains("max_client_conn = 250"), "{exported}");
        folder.write("policies/shop.toml", &exported);
        run(&server, &folder, &["plan", "--detailed-exitcode"]).code(0);
    }
}
