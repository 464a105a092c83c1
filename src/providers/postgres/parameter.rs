//! Server parameters as the server's own catalogue describes them, and the one form of each one's values.
//!
//! Does no I/O and knows neither files nor roles: those are `settings`, `role` and `database`.

use serde::Deserialize;

use super::quantity;
use super::quote;
use super::setting::Setting;
use crate::model::text;

/// One row of `pg_settings`, without its value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameter {
    /// The name in the server's own spelling.
    pub name: String,
    /// When it can change: `postmaster`, `sighup`, `user`, …
    pub context: String,
    /// `bool`, `enum`, `integer`, `real` or `string`.
    pub vartype: String,
    /// The unit of its number: `8kB`, `ms`.
    pub unit: Option<String>,
    /// The smallest allowed number, in its unit.
    pub min: Option<String>,
    /// The largest allowed number, in its unit.
    pub max: Option<String>,
    /// The words it may be.
    pub words: Vec<String>,
}

/// Parameters that hold comma-separated names, which the server quotes one by one.
const QUOTED_LISTS: [&str; 7] = [
    "local_preload_libraries",
    "oauth_validator_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Parameters that hold comma-separated words, which the server joins as they are.
const PLAIN_LISTS: [&str; 9] = [
    "createrole_self_grant",
    "debug_io_direct",
    "listen_addresses",
    "log_destination",
    "plpgsql.extra_errors",
    "plpgsql.extra_warnings",
    "restrict_nonsystem_relation_kind",
    "synchronized_standby_slots",
    "wal_consistency_checking",
];

/// Parameters that no file and no `alter … set` may set, whatever their context says.
const NOT_SETTABLE: [&str; 11] = [
    "allow_alter_system",
    "config_file",
    "data_directory",
    "hba_file",
    "ident_file",
    "is_superuser",
    "role",
    "session_authorization",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
];

/// Parameters whose values can hold passwords: connection strings and shell commands.
const SECRET: [&str; 7] = [
    "archive_cleanup_command",
    "archive_command",
    "primary_conninfo",
    "recovery_end_command",
    "restore_command",
    "ssl_passphrase_command",
    "krb_server_keyfile",
];

/// Endings of an extension's parameters that can hold secrets.
const SECRET_ENDINGS: [&str; 8] =
    ["api_key", "conninfo", "credentials", "passphrase", "password", "passwd", "secret", "token"];

/// A parameter's name as it stands in a statement: `work_mem`, `plpgsql.extra_warnings`.
pub fn quoted(name: &str) -> String {
    name.to_lowercase().split('.').map(quote::ident).collect::<Vec<_>>().join(".")
}

/// What matches, in the server's regular expressions, the lower-case names of parameters that may hold a secret.
pub fn secret_pattern() -> String {
    format!(r"^({})$|\..*({})$", SECRET.join("|"), SECRET_ENDINGS.join("|"))
}

/// Whether a parameter's value may hold a secret, so that evenkeel neither reads nor writes it.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.contains(&name.as_str()) || name.contains('.') && SECRET_ENDINGS.iter().any(|end| name.ends_with(end))
}

impl Parameter {
    /// Whether a new value waits for a restart of the server.
    pub fn needs_restart(&self) -> bool {
        self.context == "postmaster"
    }

    /// Whether running sessions keep the old value.
    pub fn is_per_session(&self) -> bool {
        matches!(self.context.as_str(), "backend" | "superuser-backend")
    }

    /// Whether any file may set it.
    pub fn is_settable(&self) -> bool {
        self.context != "internal" && !NOT_SETTABLE.contains(&self.name.to_ascii_lowercase().as_str())
    }

    /// Whether a role or a database may have its own value.
    pub fn is_session_wide(&self) -> bool {
        self.is_settable() && !matches!(self.context.as_str(), "postmaster" | "sighup")
    }

    /// Whether the server itself must say what it makes of a text: it knows time zones, date styles and encodings.
    pub fn asks_server(&self) -> bool {
        self.vartype == "string" && matches!(self.context.as_str(), "user" | "superuser") && !self.is_list()
    }

    /// The number in the parameter's base unit, where it is a number.
    pub fn base(&self, value: &Setting) -> Option<f64> {
        matches!(self.vartype.as_str(), "integer" | "real").then(|| self.number(value).ok())?
    }

    fn is_quoted_list(&self) -> bool {
        QUOTED_LISTS.contains(&self.name.to_ascii_lowercase().as_str())
    }

    fn is_list(&self) -> bool {
        self.is_quoted_list() || PLAIN_LISTS.contains(&self.name.to_ascii_lowercase().as_str())
    }

    /// The value in its one form.
    ///
    /// # Errors
    /// Why the server would not take it, naming its range.
    pub fn canonical(&self, value: &Setting) -> Result<Setting, String> {
        if value.to_string().contains(['\n', '\0']) {
            return Err(format!("`{}` cannot hold a line break", self.name));
        }
        match self.vartype.as_str() {
            "bool" => self.truth(value),
            "enum" => self.word(value),
            "integer" => self.number(value).map(|number| self.whole(number.round_ties_even())),
            "real" => self.number(value).map(|number| self.real(number)),
            _ if self.is_list() => self.list(value),
            _ => match value {
                Setting::List(_) => Err(format!("`{}` is one text, not a list", self.name)),
                Setting::Bool(_) => Err(format!("`{}` is a text, not true or false", self.name)),
                other => Ok(Setting::Text(other.to_string())),
            },
        }
    }

    /// Whether `alter … set` can say this value: of a list of names it cannot say that it is empty.
    pub fn can_say(&self, value: &Setting) -> bool {
        !matches!(value, Setting::List(items) if self.is_quoted_list() && (items.is_empty() || items.iter().any(String::is_empty)))
    }

    /// The value as the server stores it in a file or for a role: the text that is read back.
    pub fn stored(&self, value: &Setting) -> String {
        match value {
            Setting::List(items) if self.is_quoted_list() => {
                items.iter().map(|item| quote::ident(item)).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        }
    }

    fn truth(&self, value: &Setting) -> Result<Setting, String> {
        let wrong = || format!("`{}` is true or false, and `{value}` is neither", self.name);
        let truth = match value {
            Setting::Bool(truth) => Some(*truth),
            Setting::List(_) => None,
            other => parse_truth(&other.to_string()),
        };
        truth.map(Setting::Bool).ok_or_else(wrong)
    }

    fn word(&self, value: &Setting) -> Result<Setting, String> {
        let said = value.to_string();
        let find = |word: &str| self.words.iter().find(|known| known.eq_ignore_ascii_case(word));
        let alias = match said.to_ascii_lowercase().as_str() {
            // Spellings that the server takes and does not list.
            "true" | "yes" | "1" => "on",
            "false" | "no" | "0" => "off",
            "archive" | "hot_standby" if self.name == "wal_level" => "replica",
            "debug" => "debug2",
            _ => "",
        };
        find(&said).or_else(|| find(alias)).map(|word| Setting::Text(word.clone())).ok_or_else(|| {
            let message = format!("`{said}` is no value of `{}`: {}", self.name, text::either(&self.words));
            match text::nearest(&said, self.words.iter().map(String::as_str)) {
                Some(near) => format!("{message}; did you mean `{near}`"),
                None => message,
            }
        })
    }

    fn number(&self, value: &Setting) -> Result<f64, String> {
        let unit = self.unit.as_deref();
        let number = match value {
            #[expect(clippy::cast_precision_loss, reason = "the server's numbers are 32 bits wide, or doubles")]
            Setting::Int(number) => *number as f64,
            Setting::Float(number) => *number,
            Setting::Text(said) => quantity::read(said, unit).map_err(|what| format!("`{said}` {what}"))?,
            Setting::Bool(_) | Setting::List(_) => return Err(format!("`{}` is a number, not `{value}`", self.name)),
        };
        let bound = |bound: &Option<String>| bound.as_deref().and_then(|text| text.parse::<f64>().ok());
        let rounded = if self.vartype == "integer" { number.round_ties_even() } else { number };
        let low = bound(&self.min).is_some_and(|min| rounded < min);
        let high = bound(&self.max).is_some_and(|max| rounded > max);
        if low || high || !rounded.is_finite() {
            return Err(format!("`{value}` is outside what the server allows for `{}`: {}", self.name, self.range()));
        }
        Ok(number)
    }

    /// The allowed range for people: `64kB to 2147483647kB`.
    fn range(&self) -> String {
        let show = |bound: &Option<String>| match bound {
            Some(number) => format!(
                "{number}{}",
                self.unit.as_deref().map_or(String::new(), |unit| {
                    if unit.starts_with(|c: char| c.is_ascii_digit()) { format!(" × {unit}") } else { unit.to_owned() }
                })
            ),
            None => "any".into(),
        };
        format!("{} to {}", show(&self.min), show(&self.max))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the number is inside the server's range, which is far smaller"
    )]
    fn whole(&self, number: f64) -> Setting {
        let number = number as i64;
        quantity::print_whole(number, self.unit.as_deref()).map_or(Setting::Int(number), Setting::Text)
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    fn real(&self, number: f64) -> Setting {
        match quantity::print_real(number, self.unit.as_deref()) {
            Some(printed) => Setting::Text(printed),
            None if number.fract() == 0.0 && number.abs() < 1e15 => Setting::Int(number as i64),
            None => Setting::Float(number),
        }
    }

    fn list(&self, value: &Setting) -> Result<Setting, String> {
        let items = match value {
            Setting::List(items) => items.clone(),
            other => {
                let said = other.to_string();
                // Paths keep their case, names are folded: as the server splits each.
                let folds = matches!(self.name.as_str(), "search_path" | "temp_tablespaces");
                split_list(&said, folds).ok_or_else(|| format!("`{said}` is no list of names"))?
            }
        };
        Ok(Setting::List(items))
    }
}

/// What the server reads as a truth value: any unique beginning of the words, in any case.
fn parse_truth(said: &str) -> Option<bool> {
    let said = said.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| said.len() >= least && word.starts_with(&said);
    if begins("true", 1) || begins("yes", 1) || said == "on" || said == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || said == "0" {
        Some(false)
    } else {
        None
    }
}

/// Splits `a, "B c", d`. `None` where quotes do not match or an item is missing.
fn split_list(said: &str, folds: bool) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = said.trim();
    if rest.is_empty() {
        return Some(items);
    }
    loop {
        let after = if rest.starts_with('"') {
            let (item, after) =
                quote::head(rest).or_else(|| rest.strip_prefix("\"\"").map(|after| (String::new(), after)))?;
            items.push(item);
            after.trim_start()
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let item = rest[..end].trim();
            if item.is_empty() {
                return None;
            }
            items.push(if folds { item.to_lowercase() } else { item.to_owned() });
            &rest[end..]
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => return after.is_empty().then_some(items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, vartype: &str, unit: &str, range: (&str, &str), words: &[&str]) -> Parameter {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Parameter {
            name: name.into(),
            context: "user".into(),
            vartype: vartype.into(),
            unit: some(unit),
            min: some(range.0),
            max: some(range.1),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    fn check(parameter: &Parameter, value: &Setting, expected: &str) {
        let shown = match parameter.canonical(value) {
            Ok(value) => format!("{value:?} `{}` `{}`", value.sql(), parameter.stored(&value)),
            Err(problem) => problem,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn every_type_has_one_form() {
        let said = |word: &str| Setting::Text(word.into());
        let fsync = parameter("fsync", "bool", "", ("", ""), &[]);
        check(&fsync, &Setting::Bool(true), "Bool(true) `on` `on`");
        check(&fsync, &said("YES"), "Bool(true) `on` `on`");
        check(&fsync, &said("of"), "Bool(false) `off` `off`");
        check(&fsync, &said("o"), "`fsync` is true or false, and `o` is neither");
        check(&fsync, &Setting::Int(2), "`fsync` is true or false, and `2` is neither");
        let commit = parameter("synchronous_commit", "enum", "", ("", ""), &["local", "remote_apply", "on", "off"]);
        check(&commit, &Setting::Bool(false), "Text(\"off\") `'off'` `off`");
        check(&commit, &said("LOCAL"), "Text(\"local\") `'local'` `local`");
        check(
            &commit,
            &said("locl"),
            "`locl` is no value of `synchronous_commit`: `local`, `remote_apply`, `on` or `off`; did you mean `local`",
        );
        let memory = parameter("work_mem", "integer", "kB", ("64", "2147483647"), &[]);
        check(&memory, &Setting::Int(65536), "Text(\"64MB\") `'64MB'` `64MB`");
        check(&memory, &said("1kB"), "`1kB` is outside what the server allows for `work_mem`: 64kB to 2147483647kB");
        check(&memory, &said("much"), "`much` is no number");
        let cost = parameter("random_page_cost", "real", "", ("0", "1.79769e+308"), &[]);
        check(&cost, &Setting::Int(4), "Int(4) `4` `4`");
        check(&cost, &said("1.10"), "Float(1.1) `1.1` `1.1`");
        let duration = parameter("log_min_duration_statement", "integer", "ms", ("-1", "2147483647"), &[]);
        check(&duration, &Setting::Int(-1), "Int(-1) `-1` `-1`");
        check(&duration, &said("0"), "Int(0) `0` `0`");
        let path = parameter("search_path", "string", "", ("", ""), &[]);
        check(
            &path,
            &said("\"$user\", Public"),
            "List([\"$user\", \"public\"]) `'$user', 'public'` `\"$user\", public`",
        );
        assert!(!path.can_say(&Setting::List(vec![])));
        let style = parameter("datestyle", "string", "", ("", ""), &[]);
        check(&style, &said("iso, mdy"), "Text(\"iso, mdy\") `'iso, mdy'` `iso, mdy`");
        check(&style, &said("a\nb"), "`datestyle` cannot hold a line break");
    }

    #[test]
    fn secrets_are_known_by_name() {
        let secret: Vec<_> = ["primary_conninfo", "archive_command", "my.api_token", "password_encryption", "work_mem"]
            .into_iter()
            .filter(|name| is_secret(name))
            .collect();
        assert_eq!(secret, ["primary_conninfo", "archive_command", "my.api_token"]);
    }
}
