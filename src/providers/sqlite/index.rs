//! Indexes: the specification, its one normal form, and the statement that makes it. Equality beyond the text is settled in `clone`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{Schema, Stored, Table};
use super::token::{self, Token};
use crate::model::text;

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The table.
    pub table: String,
    /// Its columns or expressions, in order, each with `collate NAME` and `desc` where wanted: `"created_at desc"`, `"lower(email)"`.
    #[schemars(length(min = 1))]
    pub columns: Vec<String>,
    /// Only rows for which this holds are in the index. Default: all rows.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Whether two rows may not have the same values. Default: they may.
    #[serde(default)]
    pub unique: bool,
}

/// What is wrong with one attribute of an index.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The attribute.
    pub attribute: &'static str,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of `attribute`.
    pub fn new(attribute: &'static str, message: impl Into<String>) -> Self {
        Self { attribute, message: message.into(), hint: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Index {
    /// What can be said without the database: whether every text stays inside the statement it is put into.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.columns.is_empty() {
            faults.push(Fault::new("columns", "an index needs a column").hint("columns = [\"created_at\"]"));
        }
        // A column's name may hold anything, and only the database knows whether this is one.
        for column in &self.columns {
            if let Err(message) = token::split(column).and_then(|tokens| one_term(&tokens, column)) {
                faults.push(Fault::new("columns", message));
            }
        }
        if let Some(Err(message)) = self.filter.as_deref().map(condition) {
            faults.push(Fault::new("where", message));
        }
        faults
    }

    /// The one form in which two texts of the same meaning are equal, as far as text tells: see `token::print`.
    ///
    /// # Errors
    /// A name that is no column of the table, where SQLite would silently take it for a text.
    pub fn normal(&self, table: &Table) -> Result<Self, Fault> {
        let term = |column: &String| term(column, table).map_err(|fault| fault_in("columns", fault, table));
        let columns = self.columns.iter().map(term).collect::<Result<_, _>>()?;
        let filter = match &self.filter {
            Some(filter) => {
                let tokens = condition(filter).map_err(|message| Fault::new("where", message))?;
                let tokens = token::bare(&tokens);
                only_columns(tokens, table).map_err(|fault| fault_in("where", fault, table))?;
                Some(token::print(tokens, &table.columns))
            }
            None => None,
        };
        Ok(Self { table: table.name.clone(), columns, filter, unique: self.unique })
    }

    /// Reads the statement that SQLite keeps of an index.
    pub fn of(stored: &Stored, schema: &Schema) -> Option<Self> {
        let columns = schema.columns(&stored.table);
        let tokens = token::split(&stored.sql).ok()?;
        let unique = token::is_word(tokens.get(1)?, "unique");
        let open = tokens.iter().position(|token| *token == Token::Sign("("))?;
        let mut depth = 0;
        let close = open
            + tokens[open..].iter().position(|token| {
                depth += match token {
                    Token::Sign("(") => 1,
                    Token::Sign(")") => -1,
                    _ => 0,
                };
                depth == 0
            })?;
        let terms = token::parts(&tokens[open + 1..close]);
        let filter = match &tokens[close + 1..] {
            [first, filter @ ..] if token::is_word(first, "where") => Some(token::print(token::bare(filter), columns)),
            _ => None,
        };
        let table = schema.table(&stored.table).map_or(&stored.table, |table| &table.name).clone();
        Some(Self { table, columns: terms.iter().map(|term| print_term(term, columns)).collect(), filter, unique })
    }

    /// The statement that makes this index under `name`. The texts of a normal form are SQL already; the names are not.
    pub fn create(&self, name: &str) -> String {
        let Self { table, columns, filter, unique } = self;
        let unique = if *unique { "unique " } else { "" };
        let filter = filter.as_ref().map(|filter| format!(" where {filter}")).unwrap_or_default();
        let columns = columns.join(", ");
        format!("create {unique}index {} on {} ({columns}){filter}", token::quote(name), token::quote(table))
    }

    /// What of this index is a name: its columns, where none is an expression, sorted downwards or collated anew.
    pub fn plain_columns<'a>(&'a self, table: &Table) -> Option<Vec<&'a str>> {
        let plain = |column: &'a String| {
            table.columns.iter().any(|name| token::quote(name) == *column).then_some(column.as_str())
        };
        self.columns.iter().map(plain).collect()
    }
}

/// A name that SQLite would take for a text.
struct Unknown(String);

fn fault_in(attribute: &'static str, Unknown(name): Unknown, table: &Table) -> Fault {
    let fault = Fault::new(attribute, format!("table `{}` has no column `{name}`", table.name));
    match text::nearest(&name, table.columns.iter().map(String::as_str)) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(format!("its columns are {}; a text goes in single quotes", text::list(&table.columns))),
    }
}

fn one_term(tokens: &[Token], column: &str) -> Result<(), String> {
    token::contained(tokens)?;
    match token::parts(tokens).as_slice() {
        [[]] => Err("a column is empty".into()),
        [[Token::Literal(literal)]] => Err(format!("`{literal}` is a value, not a column")),
        [_] => Ok(()),
        _ => Err(format!("`{column}` is more than one column; write them as two texts")),
    }
}

fn condition(filter: &str) -> Result<Vec<Token>, String> {
    let tokens = token::split(filter)?;
    token::contained(&tokens)?;
    match token::parts(&tokens).as_slice() {
        [[]] => Err("a condition is empty; leave `where` out".into()),
        [_] => Ok(tokens),
        _ => Err("a `,` ends the condition".into()),
    }
}

fn term(column: &str, table: &Table) -> Result<String, Unknown> {
    // A column may be called `order` or `Weird Col`; in a policy such a name needs no second pair of quotes.
    let (name, direction) = match column.trim().rsplit_once(char::is_whitespace) {
        Some((name, last)) if last.eq_ignore_ascii_case("desc") => (name.trim(), " desc"),
        Some((name, last)) if last.eq_ignore_ascii_case("asc") => (name.trim(), ""),
        _ => (column.trim(), ""),
    };
    for (name, direction) in [(column.trim(), ""), (name, direction)] {
        if let Some(known) = table.columns.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(format!("{}{direction}", token::quote(known)));
        }
    }
    let tokens = token::split(column).map_err(|_| Unknown(column.to_owned()))?;
    only_columns(&tokens, table)?;
    Ok(print_term(&tokens, &table.columns))
}

/// A column or expression without `asc`, which is the default, and without brackets that enclose it.
fn print_term(tokens: &[Token], columns: &[String]) -> String {
    let (tokens, direction) = match tokens {
        [inner @ .., last] if token::is_word(last, "desc") => (inner, " desc"),
        [inner @ .., last] if token::is_word(last, "asc") => (inner, ""),
        _ => (tokens, ""),
    };
    format!("{}{direction}", token::print(token::bare(tokens), columns))
}

/// Refuses quoted names that are no columns: SQLite would take them for texts, and the index would serve nothing.
fn only_columns(tokens: &[Token], table: &Table) -> Result<(), Unknown> {
    for (at, token) in tokens.iter().enumerate() {
        let Token::Quoted(name) = token else { continue };
        let function = tokens.get(at + 1) == Some(&Token::Sign("("));
        let collation = at > 0 && token::is_word(&tokens[at - 1], "collate");
        let row = ["rowid", "_rowid_", "oid"].iter().any(|row| name.eq_ignore_ascii_case(row));
        let known = table.columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        if !(function || collation || row || known || name.eq_ignore_ascii_case(&table.name)) {
            return Err(Unknown(name.clone()));
        }
    }
    Ok(())
}
