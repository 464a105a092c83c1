//! The statements that make an invalidation and its outbox, and the questions whether they are as they were made.

use std::collections::BTreeSet;

use super::template::Template;
use super::{Event, Invalidation, Mode, SCHEMA};
use crate::model::units;
use crate::providers::postgres::index::name::Relation;
use crate::providers::postgres::quote::{ident, literal, qualified};

/// The longest name of an invalidation: its triggers' names must fit into 63 bytes.
pub const LONGEST: usize = 45;

/// The outbox: rows wait here until their key is gone from the cache.
pub const OUTBOX: &str = "evenkeel.outbox";

/// Its columns, as the catalog spells them.
pub const COLUMNS: &str = "due timestamp with time zone, seq bigint, born timestamp with time zone, rule text, cache text, key text, \
    pattern boolean, within_ms bigint, tries integer, fault text";

/// Makes the outbox, for a DO block. One index: by when a row is due. A queue is vacuumed often, or its readers wade through what is gone.
pub const MAKE_OUTBOX: &str = "create schema if not exists evenkeel;
create table if not exists evenkeel.outbox (
  due timestamptz not null default clock_timestamp(),
  seq bigint generated always as identity,
  born timestamptz not null default clock_timestamp(),
  rule text not null,
  cache text not null,
  key text not null,
  pattern boolean not null,
  within_ms bigint,
  tries integer not null default 0,
  fault text,
  primary key (due, seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0.5);
";

/// Drops the outbox, for a DO block, unless somebody's keys still wait in it.
pub const DROP_OUTBOX: &str = "lock table evenkeel.outbox in access exclusive mode;
if not exists (select from evenkeel.outbox) then
  drop table evenkeel.outbox;
  begin
    drop schema evenkeel;
  exception when dependent_objects_still_exist then null;
  end;
end if;
";

/// Types whose text no setting changes; every enumeration is one too. A type that is not named here is taken for one of the others.
pub const STEADY: &str = "'bool', 'int2', 'int4', 'int8', 'numeric', 'text', 'varchar', 'bpchar', 'name', 'uuid'";

/// What has names found in the catalog only, which comes first, and what makes a value's text the same whoever writes. Each is set and
/// set back by every statement, so the latter stand only where a key has a value of a type that needs them.
const PINS: [(&str, &str); 6] = [
    ("search_path", "pg_catalog, pg_temp"),
    ("datestyle", "ISO, MDY"),
    ("timezone", "UTC"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

/// The function of an invalidation, as a statement writes it.
pub fn function(name: &str) -> String {
    qualified(SCHEMA, name)
}

/// What a trigger fires on: its name, how the catalog numbers it, and the rows it shows.
struct Firing {
    word: &'static str,
    number: i32,
    old: bool,
    new: bool,
}

fn firings(on: &[Event]) -> Vec<Firing> {
    let firing = |word, number, old, new| Firing { word, number, old, new };
    let mut all = Vec::new();
    for event in on {
        match event {
            Event::Insert => all.push(firing("insert", 4, false, true)),
            Event::Update => all.push(firing("update", 16, true, true)),
            Event::Delete => {
                all.extend([firing("delete", 8, true, false), firing("truncate", 32, false, false)]);
            }
        }
    }
    all
}

/// A trigger that calls the function of an invalidation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its table.
    pub table: Relation,
    /// Its name.
    pub name: String,
    /// All that matters of it, as [`TRIGGERS`] tells it.
    pub line: String,
}

/// An invalidation and the tables it stands on: its own and that one's partitions.
pub struct Plan<'a> {
    /// The resource's name.
    pub name: &'a str,
    /// What it is to be.
    pub spec: &'a Invalidation,
    /// What the comment says.
    pub mark: String,
    /// The table and its partitions.
    pub tables: Vec<&'a Relation>,
    /// The columns whose text no setting changes.
    pub steady: &'a BTreeSet<String>,
}

impl Plan<'_> {
    fn templates(&self) -> Vec<Template> {
        self.spec.keys.iter().filter_map(|key| Template::new(key).ok()).collect()
    }

    fn pinned(&self) -> &'static [(&'static str, &'static str)] {
        let is_steady = self.templates().iter().flat_map(Template::columns).all(|name| self.steady.contains(name));
        if is_steady { &PINS[..1] } else { &PINS }
    }

    /// The settings that pin the function, as the catalog keeps them.
    pub fn pins(&self) -> Vec<String> {
        self.pinned().iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// The function's body: one insert per sort of change, each key once.
    pub fn body(&self) -> String {
        let mut branches = String::new();
        for (at, firing) in firings(&self.spec.on).into_iter().enumerate() {
            let word = if at == 0 { "if" } else { "elsif" };
            branches.push_str(&format!(
                "  {word} tg_op = '{}' then\n{}",
                firing.word.to_uppercase(),
                self.insert(&firing)
            ));
        }
        let wake = if self.spec.notify { "  perform pg_notify('evenkeel_outbox', '');\n" } else { "" };
        format!("\nbegin\n{branches}  end if;\n{wake}  return null;\nend\n")
    }

    fn insert(&self, firing: &Firing) -> String {
        let keys = self.templates();
        let mut selects = Vec::new();
        for key in &keys {
            let sort = key.is_pattern;
            if !firing.old && !firing.new {
                let (text, is_pattern) = key.any();
                selects.push(format!("select {text} as key, {is_pattern} as pattern"));
            } else if key.columns().next().is_none() {
                let rows = if firing.new { "evenkeel_new" } else { "evenkeel_old" };
                selects.push(format!(
                    "select {} as key, {sort} as pattern where exists (select from {rows})",
                    key.expression()
                ));
            } else {
                for rows in [(firing.old, "evenkeel_old"), (firing.new, "evenkeel_new")].iter().filter(|rows| rows.0) {
                    selects.push(format!("select {} as key, {sort} as pattern from {} r", key.expression(), rows.1));
                }
            }
        }
        // `union` also makes each key one; a single select has to say so.
        if let [only] = selects.as_mut_slice() {
            *only = only.replacen("select ", "select distinct ", 1);
        }
        let Invalidation { cache, mode, delay, .. } = self.spec;
        let millis = delay.map_or(0, units::Duration::as_millis);
        let (column, value) = match mode {
            Mode::Immediate => ("", String::new()),
            Mode::Delayed => ("due, ", format!("clock_timestamp() + interval '{millis} ms', ")),
            Mode::Lazy => ("within_ms, ", format!("{millis}, ")),
        };
        format!(
            "    insert into {OUTBOX} ({column}rule, cache, key, pattern)\n    select {value}{}, {}, k.key, k.pattern from (\n      {}\n    ) k where k.key is not null;\n",
            literal(self.name),
            literal(cache),
            selects.join("\n      union ")
        )
    }

    /// Makes the function, its comment and its triggers, whatever is left of them, for a DO block. It runs with its owner's rights, so that
    /// writers need none on the outbox; nobody else may hang it on a table of theirs.
    pub fn make(&self, there: &[Trigger]) -> String {
        let function = function(self.name);
        let pins: Vec<_> =
            self.pinned().iter().map(|(name, value)| format!("\n  set {name} = {}", pin(value))).collect();
        let tag = tag("keys", &self.body());
        let mut out = format!(
            "create or replace function {function}() returns trigger language plpgsql security definer{} as {tag}{}{tag};\n\
             comment on function {function}() is {};\nrevoke all on function {function}() from public;\n",
            pins.concat(),
            self.body(),
            literal(&self.mark)
        );
        let wanted = self.wanted();
        for trigger in there.iter().filter(|there| !wanted.iter().any(|(wanted, _)| wanted == *there)) {
            out.push_str(&format!("drop trigger {} on {};\n", ident(&trigger.name), trigger.table.full()));
        }
        for (Trigger { table, name, .. }, firing) in wanted.iter().filter(|(wanted, _)| !there.contains(wanted)) {
            let rows = match (firing.old, firing.new) {
                (true, true) => " referencing old table as evenkeel_old new table as evenkeel_new",
                (true, false) => " referencing old table as evenkeel_old",
                (false, true) => " referencing new table as evenkeel_new",
                (false, false) => "",
            };
            out.push_str(&format!(
                "create trigger {} after {} on {}{rows} for each statement execute function {function}();\n",
                ident(name),
                firing.word,
                table.full()
            ));
        }
        out
    }

    /// The triggers there have to be.
    fn wanted(&self) -> Vec<(Trigger, Firing)> {
        let mut all = Vec::new();
        for table in &self.tables {
            for firing in firings(&self.spec.on) {
                let name = format!("evenkeel_{}_{}", self.name, firing.word);
                let rows = |shown: bool, name: &'static str| if shown { name } else { "" };
                let (old, new) = (rows(firing.old, "evenkeel_old"), rows(firing.new, "evenkeel_new"));
                let line = format!("{}|{}|{name}|{}|O|{old}|{new}", table.schema, table.name, firing.number);
                all.push((Trigger { table: (*table).clone(), name, line }, firing));
            }
        }
        all
    }

    /// The triggers as [`TRIGGERS`] tells them.
    pub fn triggers(&self) -> String {
        let mut all: Vec<String> = self.wanted().into_iter().map(|(trigger, _)| trigger.line).collect();
        all.sort();
        all.join("\n")
    }

    /// Asks whether all of it is there as it was made.
    pub fn proof(&self) -> String {
        let pins = self.pins().iter().map(|pin| literal(&pin.to_lowercase())).collect::<Vec<_>>().join(", ");
        format!(
            "select coalesce((select to_regclass('{OUTBOX}') is not null and {SOUND} and p.prosrc = {} and lower(p.proconfig::text)::text[] = array[{pins}] \
             and obj_description(p.oid, 'pg_proc') = {} and {TRIGGERS} = {} from pg_catalog.pg_proc p where p.oid = to_regprocedure({})), false)",
            literal(&self.body()),
            literal(&self.mark),
            literal(&self.triggers()),
            literal(&format!("{}()", function(self.name)))
        )
    }
}

/// Whether the function `p` is of the right sort, and closed to everybody but its owner and whom that one let in.
pub const SOUND: &str = "(p.prosecdef and p.prorettype = 'trigger'::regtype and p.prolang = (select oid from pg_catalog.pg_language where lanname = 'plpgsql') \
    and not exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0))";

/// The triggers that call the function `p`, one a line.
pub const TRIGGERS: &str = "coalesce((select string_agg(line, E'\\n' order by line collate \"C\") from (select concat_ws('|', n.nspname, c.relname, t.tgname, \
    t.tgtype, t.tgenabled::text || case when t.tgqual is null and t.tgnargs = 0 and t.tgattr::text = '' then '' else '?' end, \
    coalesce(t.tgoldtable, ''), coalesce(t.tgnewtable, '')) as line \
    from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where t.tgfoid = p.oid) lines), '')";

/// A setting's value in a function's head; a list is written without quotes.
fn pin(value: &str) -> String {
    if value.contains("pg_") { value.to_owned() } else { literal(value) }
}

/// A dollar quote that the text does not hold.
fn tag(word: &str, text: &str) -> String {
    let mut tag = format!("${word}$");
    while text.contains(&tag) {
        tag.insert(tag.len() - 1, 'x');
    }
    tag
}

/// A DO block: all of it, or nothing.
pub fn block(statements: &str) -> String {
    let tag = tag("evenkeel", statements);
    format!("do {tag}\nbegin\n{statements}end\n{tag}")
}
