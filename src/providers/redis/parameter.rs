//! One CONFIG parameter: which there are, and the form in which a wanted and a live value can be compared with `==`.

use super::config::Parameter;
use crate::model::text;

/// The sorts of values that `CONFIG GET` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Bytes.
    Memory,
    /// A whole number.
    Number,
    /// `yes` or `no`.
    Switch,
    /// Classes with three limits each.
    BufferLimits,
    /// A set of letters.
    Events,
    /// Anything else, word by word.
    Words,
}

const POLICIES: [&str; 8] = [
    "noeviction",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
];

/// Parameters that hold a secret: never read, never written.
const SECRETS: [&str; 4] = ["requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"];

/// Parameters that count bytes.
const BYTES: [&str; 9] = [
    "maxmemory",
    "maxmemory-clients",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "repl-backlog-size",
    "auto-aof-rewrite-min-size",
    "active-defrag-ignore-bytes",
    "stream-node-max-bytes",
    "hll-sparse-max-bytes",
];

/// Parameters that only a start of the server can change.
const FIXED: [&str; 31] = [
    "aclfile",
    "always-show-logo",
    "aof_rewrite_cpulist",
    "appenddirname",
    "appendfilename",
    "bgsave_cpulist",
    "bio_cpulist",
    "cluster-config-file",
    "cluster-enabled",
    "cluster-port",
    "daemonize",
    "databases",
    "dbfilename",
    "dir",
    "disable-thp",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "io-threads",
    "io-threads-do-reads",
    "logfile",
    "pidfile",
    "rdbchecksum",
    "server_cpulist",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocket",
    "unixsocketperm",
];

/// Parameters that belong to one host alone: an export that moves to another leaves them out.
const LOCAL: [&str; 21] = [
    "bind",
    "bind-source-addr",
    "cluster-announce-bus-port",
    "cluster-announce-hostname",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-tls-port",
    "masteruser",
    "oom-score-adj",
    "oom-score-adj-values",
    "port",
    "proc-title-template",
    "replica-announce-ip",
    "replica-announce-port",
    "replicaof",
    "slave-announce-ip",
    "slave-announce-port",
    "slaveof",
    "tls-port",
    "unixsocket",
    "watchdog-period",
];

/// Whether the parameter holds a secret.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Whether only a start of the server can change it.
pub fn is_fixed(name: &str) -> bool {
    FIXED.contains(&name)
}

/// Whether it belongs to one host alone.
pub fn is_local(name: &str) -> bool {
    LOCAL.contains(&name) || (name.starts_with("tls-") && name.contains("file"))
}

impl Form {
    fn of(name: &str, live: &str) -> Self {
        match name {
            "client-output-buffer-limit" => Self::BufferLimits,
            "notify-keyspace-events" => Self::Events,
            _ if BYTES.contains(&name) && memory(live).is_some() => Self::Memory,
            _ if live.parse::<i64>().is_ok() => Self::Number,
            _ if matches!(live, "yes" | "no") => Self::Switch,
            _ => Self::Words,
        }
    }
}

/// How many keys an eviction policy can take: 0 none, 1 those that expire, 2 all. `None` for what is no policy.
pub fn policy_reach(policy: &str) -> Option<u8> {
    POLICIES.contains(&policy).then(|| match policy {
        "noeviction" => 0,
        policy if policy.starts_with("volatile") => 1,
        _ => 2,
    })
}

/// Bytes as Redis reads them: `2gb` is 2·1024³, `2g` is 2·1000³.
pub fn memory(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = match unit.trim_start() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" | "kib" => 1 << 10,
        "m" => 1_000_000,
        "mb" | "mib" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The one print of a live value.
pub fn print(name: &str, value: &str) -> String {
    match Form::of(name, value) {
        Form::Memory => memory(value).map_or_else(|| value.to_owned(), print_memory),
        Form::Events => events(value),
        Form::BufferLimits => buffer_limits(value, "").unwrap_or_else(|_| value.to_owned()),
        Form::Number | Form::Switch => value.to_owned(),
        Form::Words => words(value),
    }
}

/// A wanted value in the form of the live one.
///
/// # Errors
/// What is wrong with it.
pub fn form(name: &str, want: &Parameter, live: &Parameter) -> Result<Parameter, String> {
    let (want, live) = (want.0.trim(), live.0.as_str());
    let wrong = |what: &str| format!("`{want}` is no value for `{name}`: {what}, like the server's `{live}`");
    let formed = match Form::of(name, live) {
        Form::Memory if name == "maxmemory-clients" && want.ends_with('%') => want.to_owned(),
        Form::Memory => memory(want).map(print_memory).ok_or_else(|| wrong("it is a size such as \"2gb\""))?,
        Form::Number => match want.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => return Err(wrong("it is a whole number")),
        },
        Form::Switch => match want.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" => "yes".into(),
            "no" | "false" | "off" => "no".into(),
            // A switch with further positions, such as `propagation-error-behavior`, is for the server to judge.
            _ => words(want),
        },
        Form::BufferLimits => buffer_limits(want, live).map_err(|what| wrong(&what))?,
        Form::Events => events(want),
        Form::Words if name == "maxmemory-policy" => {
            let policy = want.to_ascii_lowercase();
            if policy_reach(&policy).is_none() {
                let near = text::nearest(&policy, POLICIES).map(|near| format!("; did you mean `{near}`?"));
                return Err(format!("`{want}` is no eviction policy{}", near.unwrap_or_default()));
            }
            policy
        }
        Form::Words => {
            let want = words(want);
            if want.eq_ignore_ascii_case(live) { live.to_owned() } else { want }
        }
    };
    Ok(Parameter(formed))
}

fn print_memory(bytes: u64) -> String {
    let unit = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)]
        .into_iter()
        .find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| bytes.to_string(), |(unit, size)| format!("{}{unit}", bytes / size))
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The letters, once each and in one order, `A` spelt out.
fn events(text: &str) -> String {
    const ALL: &str = "g$lshzxetd";
    let spelt = text.replace('A', ALL);
    "KEg$lshzxetdmn".chars().filter(|letter| spelt.contains(*letter)).collect()
}

/// Every class with its three limits, in one order; those that `text` leaves out are as in `live`.
fn buffer_limits(text: &str, live: &str) -> Result<String, String> {
    let mut classes: [(&str, Option<String>); 3] = [("normal", None), ("slave", None), ("pubsub", None)];
    for source in [live, text] {
        let words: Vec<&str> = source.split_whitespace().collect();
        for chunk in words.chunks(4) {
            let what = || "it is a class, a hard limit, a soft limit and seconds".to_owned();
            let [class, hard, soft, seconds] = chunk else { return Err(what()) };
            let class = if *class == "replica" { "slave" } else { class };
            let slot = classes.iter_mut().find(|(name, _)| *name == class).ok_or_else(what)?;
            let (hard, soft) = (memory(hard).ok_or_else(what)?, memory(soft).ok_or_else(what)?);
            let seconds: u64 = seconds.parse().map_err(|_| what())?;
            slot.1 = Some(format!("{class} {} {} {seconds}", print_memory(hard), print_memory(soft)));
        }
    }
    Ok(classes.into_iter().filter_map(|(_, limits)| limits).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_have_equal_forms() {
        let check = |name: &str, want: &str, live: &str, expected: &str| {
            let live = Parameter(print(name, live));
            let formed = form(name, &Parameter(want.into()), &live).map_or_else(|e| e, |value| value.0);
            assert_eq!(format!("{} -> {formed}", live.0), expected);
        };
        check("maxmemory", "2GB", "2147483648", "2gb -> 2gb");
        check("maxmemory", "900mb", "0", "0 -> 900mb");
        check("maxmemory", "1g", "1000000000", "1000000000 -> 1000000000");
        check(
            "maxmemory",
            "lots",
            "0",
            "0 -> `lots` is no value for `maxmemory`: it is a size such as \"2gb\", like the server's `0`",
        );
        check("maxmemory-clients", "5%", "0", "0 -> 5%");
        check("hz", "10", "10", "10 -> 10");
        check("hz", "ten", "10", "10 -> `ten` is no value for `hz`: it is a whole number, like the server's `10`");
        check("appendonly", "true", "no", "no -> yes");
        check("save", "3600  1 300 100", "3600 1 300 100", "3600 1 300 100 -> 3600 1 300 100");
        check("save", "", "3600 1", "3600 1 -> ");
        check("loglevel", "NOTICE", "notice", "notice -> notice");
        check(
            "maxmemory-policy",
            "allkeys-lfo",
            "noeviction",
            "noeviction -> `allkeys-lfo` is no eviction policy; did you mean `allkeys-lfu`?",
        );
        check("notify-keyspace-events", "KEA", "AKE", "KEg$lshzxetd -> KEg$lshzxetd");
        check(
            "client-output-buffer-limit",
            "replica 512mb 128mb 60",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60 -> normal 0 0 0 slave 512mb 128mb 60 pubsub 32mb 8mb 60",
        );
    }
}
