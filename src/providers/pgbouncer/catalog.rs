//! The settings that `PgBouncer` knows: their units, their ranges, and what making them smaller means.
//!
//! The server checks no range (`SET default_pool_size = '-5'` is accepted), so this table has to.

use serde_json::json;

use crate::model::Value;
use crate::model::units::{Duration, Size};

/// A setting.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// How its values are written and compared.
    pub unit: Unit,
    /// Whether it is read at the start only.
    pub restart: bool,
    /// What a smaller value does.
    pub weight: Weight,
}

/// How values are written and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A whole number in this range.
    Count(i64, i64),
    /// 0 or 1.
    Flag,
    /// Seconds, with decimals; up to this many.
    Seconds(u64),
    /// Whole seconds.
    WholeSeconds,
    /// Whole milliseconds.
    Millis,
    /// Bytes in this range.
    Bytes(u64, u64),
    /// An octal number, as file modes are.
    Octal,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text on one line.
    Text,
    /// May hold a password: neither read nor written.
    Private,
}

/// What a smaller value does to those who are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Nothing of note.
    None,
    /// There is less room.
    Room,
    /// There is less room; 0 stands for no limit.
    RoomOrUnlimited,
    /// Somebody is cut off sooner; 0 stands for never.
    Patience,
    /// Not smaller or greater, but other: what a session may rely on.
    Mode,
}

const INT: i64 = i32::MAX as i64;
const YEAR: u64 = 365 * 86_400;
const TIME: Unit = Unit::Seconds(YEAR);
const POOL_MODES: Unit = Unit::Word(&["session", "transaction", "statement"]);
const TLS_MODES: Unit = Unit::Word(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]);
const AUTH_TYPES: Unit =
    Unit::Word(&["any", "trust", "plain", "md5", "cert", "hba", "pam", "scram-sha-256", "ldap", "peer"]);

const fn live(name: &'static str, unit: Unit) -> Key {
    Key { name, unit, restart: false, weight: Weight::None }
}

const fn fixed(name: &'static str, unit: Unit) -> Key {
    Key { name, unit, restart: true, weight: Weight::None }
}

const fn weighed(name: &'static str, unit: Unit, weight: Weight) -> Key {
    Key { name, unit, restart: false, weight }
}

/// Every setting of the versions 1.18 to 1.25, sorted.
pub static KEYS: &[Key] = &[
    live("admin_users", Unit::Text),
    live("application_name_add_host", Unit::Flag),
    live("auth_dbname", Unit::Text),
    live("auth_file", Unit::Text),
    live("auth_hba_file", Unit::Text),
    live("auth_ident_file", Unit::Text),
    live("auth_ldap_options", Unit::Private),
    live("auth_query", Unit::Text),
    live("auth_type", AUTH_TYPES),
    live("auth_user", Unit::Text),
    live("autodb_idle_timeout", TIME),
    live("cancel_wait_timeout", TIME),
    weighed("client_idle_timeout", TIME, Weight::Patience),
    weighed("client_login_timeout", TIME, Weight::Patience),
    live("client_tls13_ciphers", Unit::Text),
    live("client_tls_ca_file", Unit::Text),
    live("client_tls_cert_file", Unit::Text),
    live("client_tls_ciphers", Unit::Text),
    live("client_tls_dheparams", Unit::Text),
    live("client_tls_ecdhcurve", Unit::Text),
    live("client_tls_key_file", Unit::Text),
    live("client_tls_protocols", Unit::Text),
    live("client_tls_sslmode", TLS_MODES),
    weighed("default_pool_size", Unit::Count(1, INT), Weight::Room),
    fixed("disable_pqexec", Unit::Flag),
    live("dns_max_ttl", TIME),
    live("dns_nxdomain_ttl", TIME),
    live("dns_zone_check_period", TIME),
    weighed("idle_transaction_timeout", TIME, Weight::Patience),
    live("ignore_startup_parameters", Unit::Text),
    fixed("job_name", Unit::Text),
    fixed("listen_addr", Unit::Text),
    fixed("listen_backlog", Unit::Count(1, INT)),
    fixed("listen_port", Unit::Count(1, 65_535)),
    live("log_connections", Unit::Flag),
    live("log_disconnections", Unit::Flag),
    live("log_pooler_errors", Unit::Flag),
    live("log_stats", Unit::Flag),
    live("logfile", Unit::Text),
    weighed("max_client_conn", Unit::Count(1, INT), Weight::Room),
    weighed("max_db_client_connections", Unit::Count(0, INT), Weight::RoomOrUnlimited),
    weighed("max_db_connections", Unit::Count(0, INT), Weight::RoomOrUnlimited),
    live("max_packet_size", Unit::Bytes(1, INT as u64)),
    live("max_prepared_statements", Unit::Count(0, INT)),
    weighed("max_user_client_connections", Unit::Count(0, INT), Weight::RoomOrUnlimited),
    weighed("max_user_connections", Unit::Count(0, INT), Weight::RoomOrUnlimited),
    live("min_pool_size", Unit::Count(0, INT)),
    live("peer_id", Unit::Count(0, 16_383)),
    fixed("pidfile", Unit::Text),
    fixed("pkt_buf", Unit::Bytes(512, INT as u64)),
    weighed("pool_mode", POOL_MODES, Weight::Mode),
    weighed("query_timeout", TIME, Weight::Patience),
    live("query_wait_notify", Unit::WholeSeconds),
    weighed("query_wait_timeout", TIME, Weight::Patience),
    weighed("reserve_pool_size", Unit::Count(0, INT), Weight::Room),
    live("reserve_pool_timeout", TIME),
    fixed("resolv_conf", Unit::Text),
    live("sbuf_loopcnt", Unit::Count(0, INT)),
    live("scram_iterations", Unit::Count(1, INT)),
    live("server_check_delay", TIME),
    live("server_check_query", Unit::Text),
    live("server_connect_timeout", TIME),
    live("server_fast_close", Unit::Flag),
    live("server_idle_timeout", TIME),
    live("server_lifetime", TIME),
    live("server_login_retry", TIME),
    live("server_reset_query", Unit::Text),
    live("server_reset_query_always", Unit::Flag),
    live("server_round_robin", Unit::Flag),
    live("server_tls13_ciphers", Unit::Text),
    live("server_tls_ca_file", Unit::Text),
    live("server_tls_cert_file", Unit::Text),
    live("server_tls_ciphers", Unit::Text),
    live("server_tls_key_file", Unit::Text),
    live("server_tls_protocols", Unit::Text),
    live("server_tls_sslmode", TLS_MODES),
    fixed("so_reuseport", Unit::Flag),
    live("stats_period", Unit::WholeSeconds),
    live("stats_users", Unit::Text),
    live("suspend_timeout", TIME),
    live("syslog", Unit::Flag),
    live("syslog_facility", Unit::Text),
    live("syslog_ident", Unit::Text),
    live("tcp_defer_accept", Unit::WholeSeconds),
    live("tcp_keepalive", Unit::Flag),
    live("tcp_keepcnt", Unit::Count(0, INT)),
    live("tcp_keepidle", Unit::WholeSeconds),
    live("tcp_keepintvl", Unit::WholeSeconds),
    live("tcp_socket_buffer", Unit::Bytes(0, INT as u64)),
    live("tcp_user_timeout", Unit::Millis),
    fixed("track_extra_parameters", Unit::Text),
    weighed("transaction_timeout", TIME, Weight::Patience),
    fixed("unix_socket_dir", Unit::Text),
    fixed("unix_socket_group", Unit::Text),
    fixed("unix_socket_mode", Unit::Octal),
    fixed("user", Unit::Text),
    live("verbose", Unit::Count(0, 10)),
];

/// What the server says of itself and nobody sets.
pub const READ_ONLY: &[&str] = &["conffile", "service_name"];

/// Settings without a built-in default: opening `[pgbouncer]` a second time does not reset them.
pub const WITHOUT_DEFAULT: &[&str] = &[
    "auth_dbname",
    "auth_file",
    "auth_ident_file",
    "auth_ldap_options",
    "auth_user",
    "client_tls13_ciphers",
    "server_tls13_ciphers",
    "user",
    "verbose",
];

/// What a setting that nobody has written is, where that is of weight and the same in every version.
pub fn default_of(name: &str) -> Option<Value> {
    let known = key(name).filter(|key| key.weight != Weight::None)?;
    let text = match name {
        "default_pool_size" => "20",
        "max_client_conn" => "100",
        "query_wait_timeout" => "120",
        "client_login_timeout" => "60",
        "pool_mode" => "session",
        _ => "0",
    };
    Some(known.unit.read(text))
}

/// A setting by name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.binary_search_by(|key| key.name.cmp(name)).ok().map(|at| &KEYS[at])
}

/// How the values of `name` are written; any text for a setting that is not in the table.
pub fn unit(name: &str) -> Unit {
    key(name).map_or(Unit::Text, |key| key.unit)
}

impl Unit {
    /// A value of the policy in the one form in which it is compared.
    ///
    /// # Errors
    /// What the value has to be instead, a lowercase fragment.
    pub fn canonical(self, value: &Value) -> Result<Value, String> {
        let within = |n: i64, low: i64, high: i64, what: &str| match n {
            n if n < low => Err(format!("{what} cannot be under {low}")),
            n if n > high => Err(format!("{what} cannot be over {high}")),
            n => Ok(n),
        };
        let whole = |value: &Value| value.as_i64().ok_or_else(|| "not a whole number".to_owned());
        let micros = |per: u64| match value {
            Value::String(text) => text.parse::<Duration>(),
            value => {
                let n = whole(value).map_err(|_| "not a duration such as \"30s\"".to_owned())?;
                let micros = u64::try_from(n).ok().and_then(|n| n.checked_mul(per));
                micros.map(Duration::from_micros).ok_or_else(|| "a duration cannot be negative or that long".into())
            }
        };
        let short = |duration: Duration, seconds: u64| {
            if duration.as_secs() <= seconds { Ok(duration) } else { Err("a duration cannot be that long".to_owned()) }
        };
        let multiple = |duration: Duration, of: u64, what: &str| {
            if duration.as_micros().is_multiple_of(of) { Ok(json!(duration)) } else { Err(format!("only {what}")) }
        };
        match self {
            Self::Count(low, high) => within(whole(value)?, low, high, "it").map(Value::from),
            Self::Flag => match value {
                Value::Bool(_) => Ok(value.clone()),
                value => match value.as_i64() {
                    Some(n @ (0 | 1)) => Ok(Value::Bool(n == 1)),
                    _ => Err("neither true nor false".into()),
                },
            },
            Self::Seconds(most) => short(micros(1_000_000)?, most).map(|duration| json!(duration)),
            Self::WholeSeconds => multiple(short(micros(1_000_000)?, YEAR)?, 1_000_000, "whole seconds are possible"),
            Self::Millis => multiple(short(micros(1_000)?, 86_400)?, 1_000, "whole milliseconds are possible"),
            Self::Bytes(low, high) => {
                let bytes = match value {
                    Value::String(text) => text.parse::<Size>()?.bytes(),
                    value => value.as_u64().ok_or("not a size such as \"4KiB\"")?,
                };
                let range = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
                within(range(bytes), range(low), range(high), "it, in bytes,")?;
                Ok(json!(Size::from_bytes(bytes)))
            }
            Self::Octal => {
                let text = value.as_str().ok_or("not an octal number in quotes, such as \"0777\"")?;
                let n = i64::from_str_radix(text, 8).map_err(|_| "not an octal number, such as \"0777\"")?;
                within(n, 0, 0o777, "it").map(|n| json!(format!("{n:04o}")))
            }
            Self::Word(words) => {
                let text = value.as_str().map(str::to_lowercase).unwrap_or_default();
                let known = words.iter().find(|word| **word == text);
                known.map(|word| json!(word)).ok_or_else(|| format!("not one of {}", words.join(", ")))
            }
            Self::Text => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    _ => return Err("neither a text nor a number".into()),
                };
                if text.contains(['\n', '\r', '\0']) {
                    return Err("a value cannot go over the end of its line".into());
                }
                if text.trim() != text {
                    return Err("the server drops blanks around a value".into());
                }
                Ok(json!(text))
            }
            Self::Private => Err("it may hold a password, which does not belong in a policy".into()),
        }
    }

    /// A value as the server or its file writes it, in the one form in which it is compared. What is not valid stays as it is written.
    pub fn read(self, text: &str) -> Value {
        let raw = || json!(text);
        let micros = |scale: f64| {
            // Microseconds are exact in a double up to 285 years.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
            let exact = |micros: f64| Duration::from_micros(micros.round() as u64);
            let seconds =
                integer(text).and_then(|n| i32::try_from(n).ok()).map(f64::from).or_else(|| text.parse().ok());
            seconds.filter(|n: &f64| (0.0..1e10).contains(n)).map_or_else(raw, |n| json!(exact(n * scale)))
        };
        match self {
            Self::Count(..) => integer(text).map_or_else(raw, Value::from),
            Self::Flag => match integer(text) {
                Some(n @ (0 | 1)) => Value::Bool(n == 1),
                other => other.map_or_else(raw, Value::from),
            },
            Self::Seconds(_) | Self::WholeSeconds => micros(1e6),
            Self::Millis => micros(1e3),
            Self::Bytes(..) => {
                integer(text).and_then(|n| u64::try_from(n).ok()).map_or_else(raw, |n| json!(Size::from_bytes(n)))
            }
            Self::Octal => integer(text).filter(|n| *n >= 0).map_or_else(raw, |n| json!(format!("{n:04o}"))),
            Self::Word(_) => json!(text.to_lowercase()),
            // How newer versions tell an empty default.
            Self::Text if text == "<empty>" => json!(""),
            Self::Text | Self::Private => raw(),
        }
    }

    /// A value in its one form as the server and its file take it.
    pub fn write(self, value: &Value) -> String {
        let plain = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let duration = || value.as_str().and_then(|text| text.parse::<Duration>().ok());
        match self {
            Self::Flag => value.as_bool().map_or_else(plain, |on| u8::from(on).to_string()),
            Self::Seconds(_) | Self::WholeSeconds => duration().map_or_else(plain, |duration| {
                let (whole, rest) = (duration.as_micros() / 1_000_000, duration.as_micros() % 1_000_000);
                if rest == 0 {
                    whole.to_string()
                } else {
                    format!("{whole}.{rest:06}").trim_end_matches('0').to_owned()
                }
            }),
            Self::Millis => duration().map_or_else(plain, |duration| duration.as_millis().to_string()),
            Self::Bytes(..) => value
                .as_str()
                .and_then(|text| text.parse::<Size>().ok())
                .map_or_else(plain, |size| size.bytes().to_string()),
            Self::Count(..) | Self::Octal | Self::Word(_) | Self::Text | Self::Private => plain(),
        }
    }
}

/// A whole number as C's `strtol` reads it: decimal, `0x` hexadecimal, `0` octal.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let lower = digits.to_lowercase();
    let magnitude = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8),
        _ => lower.parse(),
    };
    magnitude.ok().map(|n| if negative { -n } else { n })
}

impl Weight {
    /// Whether going from `before` to `after` is the direction that hurts.
    pub fn hurts(self, before: &Value, after: &Value) -> bool {
        let number = |value: &Value| {
            value.as_i64().or_else(|| {
                let duration = value.as_str()?.parse::<Duration>().ok()?;
                i64::try_from(duration.as_micros()).ok()
            })
        };
        let limit = |value: &Value| number(value).map(|n| if n == 0 { i64::MAX } else { n });
        match self {
            Self::None => false,
            Self::Room => number(after) < number(before),
            Self::RoomOrUnlimited | Self::Patience => limit(after) < limit(before),
            Self::Mode => before != after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KEYS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn policy_and_server_values_meet_in_one_form() {
        let check = |name: &str, policy: Value, server: &str, expected: &str| {
            let unit = unit(name);
            let canonical = unit.canonical(&policy).unwrap();
            assert_eq!(canonical, unit.read(server), "{name}");
            assert_eq!(unit.write(&canonical), expected, "{name}");
            assert_eq!(unit.read(expected), canonical, "{name}");
        };
        check("query_wait_timeout", json!("30s"), "30", "30");
        check("query_wait_timeout", json!(30), "30", "30");
        check("query_wait_timeout", json!("1500ms"), "1.5", "1.5");
        check("server_lifetime", json!("1h"), "3600", "3600");
        check("server_lifetime", json!("2m"), "1.2e2", "120");
        check("default_pool_size", json!(16), "0x10", "16");
        check("default_pool_size", json!(8), "010", "8");
        check("log_stats", json!(true), "1", "1");
        check("pkt_buf", json!("4KiB"), "4096", "4096");
        check("tcp_user_timeout", json!("2s"), "2000", "2000");
        check("tcp_keepidle", json!("2m"), "120", "120");
        check("unix_socket_mode", json!("0777"), "511", "0777");
        check("pool_mode", json!("transaction"), "TRANSACTION", "transaction");
        check("server_reset_query", json!("DISCARD ALL"), "DISCARD ALL", "DISCARD ALL");
        check("brand_new_key", json!(5), "5", "5");
    }

    #[test]
    fn nonsense_is_refused_with_what_would_do() {
        let check = |name: &str, policy: Value, expected: &str| {
            assert_eq!(unit(name).canonical(&policy).map_or_else(|e| e, |v| v.to_string()), expected);
        };
        check("default_pool_size", json!(-5), "it cannot be under 1");
        check("default_pool_size", json!(0), "it cannot be under 1");
        check("default_pool_size", json!(2_147_483_648_i64), "it cannot be over 2147483647");
        check("default_pool_size", json!("20"), "not a whole number");
        check("listen_port", json!(70_000), "it cannot be over 65535");
        check("query_wait_timeout", json!(-1), "a duration cannot be negative or that long");
        check("query_wait_timeout", json!(1.5), "not a duration such as \"30s\"");
        check("stats_period", json!("500ms"), "only whole seconds are possible");
        check("log_stats", json!(2), "neither true nor false");
        check("pool_mode", json!("txn"), "not one of session, transaction, statement");
        check("server_check_query", json!("a\nb"), "a value cannot go over the end of its line");
        check("auth_ldap_options", json!("x"), "it may hold a password, which does not belong in a policy");
        check("unix_socket_mode", json!("0999"), "not an octal number, such as \"0777\"");
    }

    #[test]
    fn smaller_is_not_always_less() {
        let check = |name: &str, before: Value, after: Value, hurts: bool| {
            let weight = key(name).unwrap().weight;
            assert_eq!(weight.hurts(&before, &after), hurts, "{name}: {before} -> {after}");
        };
        check("default_pool_size", json!(20), json!(10), true);
        check("default_pool_size", json!(20), json!(30), false);
        check("max_db_connections", json!(0), json!(10), true);
        check("max_db_connections", json!(10), json!(0), false);
        check("query_wait_timeout", json!("2m"), json!("30s"), true);
        check("query_wait_timeout", json!("30s"), json!("0s"), false);
        check("pool_mode", json!("session"), json!("transaction"), true);
        check("verbose", json!(3), json!(0), false);
    }
}
