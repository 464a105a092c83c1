//! What a server says of its own parameters: what runs, what its files say, and what that comes to.
//!
//! Read once for settings, roles and databases alike. Never reads the value of a parameter that may hold a secret.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sqlx::{AssertSqlSafe, Row};

use super::connect::Session;
use super::failure;
use super::parameter::{self, Parameter};
use super::setting::Setting;
use crate::error::Result;

/// All parameters of a server, by their name in lower case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Catalog {
    /// The parameters.
    pub known: BTreeMap<String, Known>,
    /// Whether the role may read what the server's files say.
    pub reads_files: bool,
    /// Whether `alter system` is switched off altogether.
    pub is_locked: bool,
    /// Whether the role may make the server read its files again.
    pub may_reload: bool,
    /// Errors in the server's files, as it words them, with the file and line.
    pub errors: Vec<String>,
}

/// One parameter and its value at every level.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Known {
    /// What it is.
    pub parameter: Parameter,
    /// The value in force for new sessions, in its base unit.
    pub running: String,
    /// Where that comes from, `configuration file`.
    pub source: String,
    /// The built-in default.
    pub boot: String,
    /// What the last file that names it says.
    pub file: Option<Entry>,
    /// Whether `alter system` has set it.
    pub is_altered: bool,
    /// Whether the role may alter it.
    pub may_alter: bool,
}

/// A line of a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entry {
    /// The text behind the `=`.
    pub value: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: i32,
}

/// Where `alter system` writes.
const AUTO: &str = "postgresql.auto.conf";

/// What the server says of a value that only a restart can bring into force.
const PENDING: &str = "setting could not be applied";

const KNOWN: &str = "select s.name, s.context, s.vartype, s.unit, s.min_val, s.max_val, coalesce(s.enumvals, '{}') as words, \
    case when lower(s.name) ~ $1 then '' else coalesce(s.reset_val, '') end as running, s.source, \
    case when lower(s.name) ~ $1 then '' else coalesce(s.boot_val, '') end as boot, ";

/// Rights to single parameters came with version 15.
const MAY_ALTER: &str = "has_parameter_privilege(s.name, 'alter system') as may_alter from pg_settings s";
const MAY_ALTER_14: &str = "current_setting('is_superuser') = 'on' as may_alter from pg_settings s";

const FILES: &str = "select f.name, case when lower(f.name) ~ $1 then '' else f.setting end as value, f.sourcefile, f.sourceline, f.error \
    from pg_file_settings f order by f.seqno";

const POWERS: &str = "select has_table_privilege('pg_catalog.pg_file_settings', 'select') \
      and has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute') as reads_files, \
    has_function_privilege('pg_catalog.pg_reload_conf()', 'execute') as may_reload, \
    coalesce((select setting = 'off' from pg_settings where name = 'allow_alter_system'), false) as is_locked";

/// Asks for all of it, in three round trips.
///
/// # Errors
/// As any statement.
pub async fn read(session: &mut Session, version: i32) -> Result<Catalog> {
    let found = gather(session, version).await;
    found.map_err(failure::explain)
}

async fn gather(session: &mut Session, version: i32) -> Result<Catalog, sqlx::Error> {
    let secrets = parameter::secret_pattern();
    let known = format!("{KNOWN}{}", if version >= 150_000 { MAY_ALTER } else { MAY_ALTER_14 });
    let powers = sqlx::query(POWERS).fetch_one(&mut session.conn).await?;
    let mut catalog = Catalog {
        reads_files: powers.try_get("reads_files")?,
        may_reload: powers.try_get("may_reload")?,
        is_locked: powers.try_get("is_locked")?,
        ..Catalog::default()
    };
    for row in sqlx::query(AssertSqlSafe(known)).bind(&secrets).fetch_all(&mut session.conn).await? {
        let name: String = row.try_get("name")?;
        let parameter = Parameter {
            context: row.try_get("context")?,
            vartype: row.try_get("vartype")?,
            unit: row.try_get("unit")?,
            min: row.try_get("min_val")?,
            max: row.try_get("max_val")?,
            words: row.try_get("words")?,
            name: name.clone(),
        };
        let known = Known {
            parameter,
            running: row.try_get("running")?,
            source: row.try_get("source")?,
            boot: row.try_get("boot")?,
            may_alter: row.try_get("may_alter")?,
            ..Known::default()
        };
        catalog.known.insert(name.to_lowercase(), known);
    }
    if !catalog.reads_files {
        return Ok(catalog);
    }
    for row in sqlx::query(FILES).bind(&secrets).fetch_all(&mut session.conn).await? {
        let (name, value): (Option<String>, Option<String>) = (row.try_get("name")?, row.try_get("value")?);
        let (file, line): (Option<String>, Option<i32>) = (row.try_get("sourcefile")?, row.try_get("sourceline")?);
        let entry =
            Entry { value: value.unwrap_or_default(), file: file.unwrap_or_default(), line: line.unwrap_or_default() };
        // A value that waits for a restart and one that makes no sense get the same words here; the latter is found below.
        let error: Option<String> = row.try_get("error")?;
        if let Some(error) = error.filter(|error| error != PENDING) {
            let about = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            catalog.errors.push(format!("{about}{error} ({}:{})", entry.file, entry.line));
        }
        if let Some(known) = name.and_then(|name| catalog.known.get_mut(&name.to_lowercase())) {
            known.is_altered |= entry.is_auto();
            known.file = Some(entry);
        }
    }
    for known in catalog.known.values().filter(|known| !parameter::is_secret(&known.parameter.name)) {
        if let Some(entry) = &known.file
            && let Err(why) = known.parameter.canonical(&Setting::Text(entry.value.clone()))
        {
            catalog.errors.push(format!("{why} ({}:{})", entry.file, entry.line));
        }
    }
    Ok(catalog)
}

impl Entry {
    /// Whether `alter system` wrote it.
    pub fn is_auto(&self) -> bool {
        self.file.rsplit('/').next() == Some(AUTO)
    }
}

impl Known {
    /// What no file can change, in words: `on the server's command line`.
    pub fn fixed_by(&self) -> Option<&'static str> {
        match self.source.as_str() {
            "command line" => Some("on the server's command line"),
            "environment variable" => Some("by the server's environment"),
            "override" => Some("by the server itself"),
            _ => None,
        }
    }

    /// Whether this very session has its own value, which hides the server's.
    fn is_hidden(&self) -> bool {
        !matches!(self.source.as_str(), "default" | "configuration file")
    }

    /// The value that will be in force once the server has read its files, and restarted where it must.
    pub fn coming(&self) -> Setting {
        if self.fixed_by().is_some() {
            return self.form(&self.running);
        }
        let waits = self.parameter.needs_restart() || self.parameter.is_per_session() || self.is_hidden();
        match &self.file {
            // Written and not yet read is a difference, or a run that was killed before its reload would never be finished.
            Some(_) if !waits => self.form(&self.running),
            Some(entry) => self.form(&entry.value),
            None if waits && self.source != "default" => self.form(&self.boot),
            None => self.form(&self.running),
        }
    }

    /// What a restart will change: the value that runs and the one that waits.
    pub fn pending(&self) -> Option<(Setting, Setting)> {
        let (running, coming) = (self.form(&self.running), self.coming());
        (self.parameter.needs_restart() && running != coming).then_some((running, coming))
    }

    /// What a file says, where that is not the default.
    pub fn chosen(&self) -> Option<Setting> {
        let entry = self.file.as_ref().filter(|_| self.fixed_by().is_none() && self.parameter.is_settable())?;
        let value = self.form(&entry.value);
        (value != self.form(&self.boot) && self.parameter.can_say(&value)).then_some(value)
    }

    /// A text of the server's in its one form; as it is where even the server would not read it.
    fn form(&self, said: &str) -> Setting {
        let text = Setting::Text(said.to_owned());
        self.parameter.canonical(&text).unwrap_or(text)
    }
}

impl Catalog {
    /// A parameter by its name, in any case.
    pub fn get(&self, name: &str) -> Option<&Known> {
        self.known.get(&name.to_lowercase())
    }

    /// Brings values to their one form, each under the key it was written with, and says what the server would not take.
    pub fn canonical(&self, values: &BTreeMap<String, Setting>, strange: Strange) -> Canonical {
        let mut out = Canonical::default();
        let mut seen = BTreeSet::new();
        for (key, value) in values {
            let reject = |message: String, hint: Option<String>| Rejection { key: key.clone(), message, hint };
            let form = match self.get(key) {
                _ if !seen.insert(key.to_lowercase()) => Err(reject(format!("`{key}` is written twice"), None)),
                _ if parameter::is_secret(key) => Err(reject(
                    format!("`{key}` may hold a secret, and evenkeel does not manage such settings"),
                    Some("set it in the server's own configuration".into()),
                )),
                None if strange == Strange::Kept && key.contains('.') => Ok(Setting::Text(value.to_string())),
                None => Err(reject(format!("the server knows no setting `{key}`"), Some(self.suggest(key)))),
                Some(known) if !known.parameter.is_settable() => {
                    Err(reject(format!("`{key}` cannot be changed with SQL"), None))
                }
                Some(_) if value.is_default() => Ok(Setting::Text(super::setting::DEFAULT.into())),
                Some(known) => known.parameter.canonical(value).map_err(|message| reject(message, None)),
            };
            match form {
                Ok(form) => drop(out.values.insert(key.clone(), form)),
                Err(rejection) => out.rejected.push(rejection),
            }
        }
        out
    }

    fn suggest(&self, key: &str) -> String {
        match crate::model::text::nearest(&key.to_lowercase(), self.known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`"),
            None if key.contains('.') => {
                "its extension is not loaded; name the library in `shared_preload_libraries` and restart first".into()
            }
            None => "see `select name, short_desc from pg_settings`".into(),
        }
    }
}

/// What becomes of a parameter of an extension that this session has not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strange {
    /// The server refuses it.
    Refused,
    /// The server keeps it as a text.
    Kept,
}

/// Values in their one form, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct Canonical {
    /// The values, by the key they were written with.
    pub values: BTreeMap<String, Setting>,
    /// What the server would not take.
    pub rejected: Vec<Rejection>,
}

/// A value that the server would not take.
#[derive(Debug, PartialEq)]
pub struct Rejection {
    /// The key it was written with.
    pub key: String,
    /// Why.
    pub message: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// Asks the server what it makes of texts that only it can read (time zones, date styles), and puts its spelling in their place.
/// What both sides say alike is not asked about; the rest is one round trip, and one more for each where the server refuses any.
/// Leaves no trace: what is set lasts no longer than its statement. What the server refuses of `wanted` is returned, and stays.
///
/// # Errors
/// As any statement.
pub async fn ask(
    session: &mut Session,
    catalog: &Catalog,
    wanted: &mut BTreeMap<String, Setting>,
    live: &mut BTreeMap<String, Setting>,
) -> Result<Vec<Rejection>> {
    let mut open = questions(catalog, wanted, live, Side::Want);
    open.extend(questions(catalog, live, wanted, Side::Live));
    let mut rejected = Vec::new();
    if open.is_empty() {
        return Ok(rejected);
    }
    let answers: Vec<Result<String, sqlx::Error>> = match spell(session, &open).await {
        Ok(spelled) => spelled.into_iter().map(Ok).collect(),
        // One bad value fails them all, so each is asked about by itself.
        Err(sqlx::Error::Database(_)) => {
            let mut each = Vec::with_capacity(open.len());
            for one in &open {
                each.push(spell(session, std::slice::from_ref(one)).await.map(|spelled| spelled.concat()));
            }
            each
        }
        Err(other) => return Err(failure::explain(other)),
    };
    for ((side, key, _), answer) in open.into_iter().zip(answers) {
        match (answer, side) {
            (Ok(spelled), Side::Want) => drop(wanted.insert(key, Setting::Text(spelled))),
            (Ok(spelled), Side::Live) => drop(live.insert(key, Setting::Text(spelled))),
            // A role that may not set it may still look.
            (Err(sqlx::Error::Database(refusal)), _) if refusal.code().as_deref() == Some("42501") => {}
            (Err(sqlx::Error::Database(refusal)), Side::Want) => {
                rejected.push(Rejection { key, message: refusal.message().to_owned(), hint: None });
            }
            // What the server's own files say is compared as it is where even the server refuses it.
            (Err(sqlx::Error::Database(_)), Side::Live) => {}
            (Err(other), _) => return Err(failure::explain(other)),
        }
    }
    Ok(rejected)
}

/// One of the two sides that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Want,
    Live,
}

/// A value that only the server can read.
type Question = (Side, String, String);

fn questions(
    catalog: &Catalog,
    of: &BTreeMap<String, Setting>,
    beside: &BTreeMap<String, Setting>,
    side: Side,
) -> Vec<Question> {
    of.iter()
        .filter(|(key, value)| !value.is_default() && beside.get(*key) != Some(value))
        .filter(|(key, _)| catalog.get(key).is_some_and(|known| known.parameter.asks_server()))
        .map(|(key, value)| (side, key.clone(), value.to_string()))
        .collect()
}

async fn spell(session: &mut Session, questions: &[Question]) -> Result<Vec<String>, sqlx::Error> {
    let (keys, values): (Vec<&str>, Vec<&str>) =
        questions.iter().map(|(_, key, value)| (key.as_str(), value.as_str())).unzip();
    sqlx::query_scalar(
        "select set_config(k, v, true) from unnest($1::text[], $2::text[]) with ordinality u(k, v, n) order by n",
    )
    .bind(keys)
    .bind(values)
    .fetch_all(&mut session.conn)
    .await
}
