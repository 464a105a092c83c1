//! Server settings: one form per value, restarts that are pending, and what cannot be had.

use insta::assert_snapshot;

use super::Shop;

#[test]
fn settings_are_applied_once_and_drift_is_seen() {
    let shop = Shop::start();
    let policy = r#"
[postgres.shop.settings]
work_mem = "8MB"
idle_in_transaction_session_timeout = "60s"
max_connections = 50
"#;
    assert_snapshot!(shop.plan(policy));
    shop.settle(policy);
    assert_eq!(shop.server.sql("show work_mem"), "8MB");
    // Written, and waiting for a restart that is not ours: no difference, but a note.
    assert_snapshot!(shop.plan(policy), @"note: max_connections: 50 is set, restart pending (still 40)");
    assert_eq!(shop.server.sql("show max_connections"), "40");
    // Somebody goes around us.
    shop.server.sql("alter system set work_mem = '16MB'");
    shop.server.sql("select pg_reload_conf()");
    assert_snapshot!(shop.changes(policy));
    shop.settle(policy);
    // The word takes out what alter system has set, once.
    let out = policy.replace("\"8MB\"", "\"default\"");
    assert_snapshot!(shop.settle(&out), @r"
    alter system reset work_mem
    select pg_reload_conf()
    ");
    assert_eq!(shop.server.sql("show work_mem"), "4MB");
}

#[test]
fn a_run_that_stopped_before_its_reload_is_finished() {
    let shop = Shop::start();
    let policy = "[postgres.shop.settings]\nwork_mem = \"8MB\"\n";
    shop.server.sql("alter system set work_mem = '8MB'");
    assert_eq!(shop.server.sql("show work_mem"), "4MB");
    shop.settle(policy);
    assert_eq!(shop.server.sql("show work_mem"), "8MB");
}

#[test]
fn every_spelling_of_a_value_is_the_same_value() {
    let shop = Shop::start();
    // As the server is told, then as a policy may say it.
    let table: &[(&str, &str, &[&str])] = &[
        (
            "work_mem",
            "'64MB'",
            &[
                "\"64MB\"",
                "65536",
                "\"65536\"",
                "\"65536kB\"",
                "\"64 MB\"",
                "\"64MiB\"",
                "\"0.0625GB\"",
                "\" 64MB \"",
                "\"0x10000\"",
            ],
        ),
        ("maintenance_work_mem", "'1GB'", &["\"1GB\"", "\"1024MB\"", "1048576", "\"1GiB\""]),
        ("effective_cache_size", "'128MB'", &["\"128MB\"", "16384", "\"131072kB\""]),
        (
            "idle_in_transaction_session_timeout",
            "'60s'",
            &["\"60s\"", "60000", "\"60000\"", "\"1min\"", "\"60000ms\"", "\"1m\"", "\"60000000us\""],
        ),
        ("statement_timeout", "'1.5h'", &["\"90min\"", "\"1h30m\"", "5400000", "\"5400s\""]),
        ("log_min_duration_statement", "-1", &["-1", "\"-1\""]),
        ("checkpoint_timeout", "'15min'", &["\"15min\"", "900", "\"900s\"", "\"15m\""]),
        ("checkpoint_completion_target", "0.8", &["0.8", "\"0.80\"", "\"8e-1\""]),
        ("random_page_cost", "2", &["2", "2.0", "\"2.00\""]),
        ("vacuum_cost_delay", "'500us'", &["0.5", "\"0.5ms\"", "\"500us\""]),
        ("autovacuum", "off", &["false", "\"off\"", "\"no\"", "0", "\"FALSE\"", "\"0\"", "\"f\""]),
        ("enable_seqscan", "'on'", &["true", "\"yes\"", "1", "\"TRUE\""]),
        ("synchronous_commit", "'true'", &["\"on\"", "true", "\"ON\"", "\"yes\"", "1"]),
        ("wal_level", "'hot_standby'", &["\"replica\"", "\"hot_standby\"", "\"REPLICA\""]),
        ("log_statement", "'ALL'", &["\"all\"", "\"All\""]),
        (
            "search_path",
            "'$user', 'App', 'public'",
            &[
                "\"\\\"$user\\\", \\\"App\\\", public\"",
                "[\"$user\", \"App\", \"public\"]",
                "'\"$user\",\"App\",PUBLIC'",
            ],
        ),
        (
            "shared_preload_libraries",
            "'hypopg', 'auto_explain'",
            &["\"hypopg,auto_explain\"", "[\"hypopg\", \"auto_explain\"]"],
        ),
        ("log_line_prefix", "'%m [%p] '", &["\"%m [%p] \""]),
        ("datestyle", "'german'", &["\"German, DMY\"", "\"german\"", "\"GERMAN\""]),
        ("timezone", "'europe/berlin'", &["\"Europe/Berlin\"", "\"europe/berlin\""]),
        ("log_rotation_age", "'1d'", &["\"1d\"", "1440", "\"24h\"", "\"1440min\""]),
        ("max_wal_size", "'2GB'", &["\"2GB\"", "2048", "\"2048MB\""]),
        ("extra_float_digits", "0", &["0", "\"0\""]),
        ("temp_file_limit", "'10GB'", &["\"10GB\"", "10485760"]),
    ];
    for (name, told, _) in table {
        shop.server.sql(&format!("alter system set {name} = {told}"));
    }
    shop.server.sql("select pg_reload_conf()");
    let mut count = 0;
    let widest = table.iter().map(|(_, _, said)| said.len()).max().unwrap_or(0);
    // One plan for the first spelling of each, one for the second, and so on.
    for turn in 0..widest {
        let lines: Vec<_> =
            table.iter().filter_map(|(name, _, said)| Some(format!("{name} = {}", said.get(turn)?))).collect();
        count += lines.len();
        let policy = format!("[postgres.shop.settings]\n{}\n", lines.join("\n"));
        assert_eq!(shop.changes(&policy), "", "turn {turn}: {policy}");
    }
    assert!(count >= 70, "{count} spellings");
    // And nothing but spellings was told apart: each differs from something else.
    assert_ne!(shop.changes("[postgres.shop.settings]\nwork_mem = \"65MB\"\n"), "");
}

#[test]
fn what_the_server_would_not_take_is_a_problem_at_its_key() {
    let shop = Shop::start();
    let policy = r#"
[postgres.shop.settings]
work_mem = "1kB"
max_connections = "many"
wrk_mem = "8MB"
"auto_explain.log_min_duration" = "1s"
wal_level = "full"
block_size = 4096
data_directory = "/tmp"
timezone = "Mars/Phobos"
shared_preload_libraries = []
fsync = "perhaps"
random_page_cost = "4 apples"
temp_buffers = ["a"]
port = 1
"#;
    assert_snapshot!(shop.plan(policy));
    assert_snapshot!(
        shop.plan("[postgres.shop.settings]\narchive_command = \"cp %p /x\"\nprimary_conninfo = \"password=x\"\n")
    );
    assert_snapshot!(shop.plan("[postgres.shop.settings]\nabsent = true\n"));
}

#[test]
fn data_at_risk_must_be_allowed() {
    let shop = Shop::start();
    let policy = "[postgres.shop.settings]\nfull_page_writes = false\nwal_log_hints = true\n";
    shop.server.sql("alter system set full_page_writes = on");
    shop.server.sql("select pg_reload_conf()");
    assert_snapshot!(shop.plan(policy));
}

#[test]
fn a_role_without_rights_sees_what_it_may_and_says_the_rest() {
    let mut shop = Shop::start();
    shop.url = shop.server.reader_url();
    let policy = "[postgres.shop.settings]\nwork_mem = \"8MB\"\n";
    assert_snapshot!(shop.plan(policy));
    // What `evenkeel grants postgres` says for planning is enough for planning, and not for applying.
    shop.server.sql("grant pg_monitor to reader; grant select on pg_file_settings to reader; grant execute on function pg_show_all_file_settings() to reader");
    assert_snapshot!(shop.plan(policy));
    assert_snapshot!(shop.apply(policy), @r#"Denied: permission denied to set parameter "work_mem" (see what the role needs with `evenkeel grants postgres`)"#);
    shop.server.sql(
        "grant alter system on parameter work_mem to reader; grant execute on function pg_reload_conf() to reader",
    );
    shop.settle(policy);
}

#[test]
fn what_is_exported_plans_empty_and_holds_no_secret() {
    let shop = Shop::start();
    shop.server.sql("alter system set restore_command = 'cp --password planted /x %p'");
    shop.server.sql("alter system set search_path = 'app', 'public'");
    shop.server.sql("alter system set max_connections = 60");
    shop.server.sql("select pg_reload_conf()");
    let live = shop.live("settings");
    assert!(!live.contains("planted"), "{live}");
    // Where this very server listens is nobody's expectation.
    let shown: Vec<_> =
        live.lines().filter(|line| !line.starts_with("\"port") && !line.starts_with("\"unix_socket")).collect();
    assert_snapshot!(shown.join("\n"));
    assert_eq!(shop.changes(&live), "");
}

#[test]
fn a_broken_file_is_told() {
    let shop = Shop::start();
    let file = shop.server.data().join("postgresql.conf");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    std::fs::write(&file, format!("{text}\nwork_mem = 'lots'\n")).expect("it can be written");
    let said = shop.apply("[postgres.shop.settings]\nmaintenance_work_mem = \"100MB\"\n");
    assert_snapshot!(said);
    let notes = shop.plan("[postgres.shop.settings]\nmaintenance_work_mem = \"100MB\"\n");
    assert!(
        notes.contains("note: a configuration file is wrong: work_mem: setting could not be applied")
            || notes.contains("a configuration file is wrong"),
        "{notes}"
    );
}
