//! Quoting of SQL identifiers and literals, as the server's own `quote_ident` and `quote_literal` do it.
//!
//! The only place that decides what is safe inside a statement. Relies on `standard_conforming_strings`, which every session pins.

/// An identifier, quoted only where the server would read it otherwise.
pub fn ident(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let bare = name.starts_with(plain)
        && name.chars().all(|c| plain(c) || c.is_ascii_digit())
        && KEYWORDS.binary_search(&name).is_err();
    if bare { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A name in a schema: `public.users`.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A text as a literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text for the inside of a comment, which it cannot end.
pub fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '*' || c == '/' { '?' } else { c }).collect()
}

/// Splits a possibly qualified, possibly quoted name into its parts: `a.b`, `"A b".c`. `None` where it is no name.
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = head(rest)?;
        parts.push(part);
        rest = after.trim_start();
        match rest.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None => return rest.is_empty().then_some(parts),
        }
    }
}

/// The identifier at the start of `text`, folded as the server folds it, and what follows it.
pub fn head(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut from = 0;
        while let Some(at) = quoted[from..].find('"').map(|at| at + from) {
            name.push_str(&quoted[from..at]);
            let after = &quoted[at + 1..];
            if !after.starts_with('"') {
                return (!name.is_empty()).then_some((name, after));
            }
            name.push('"');
            from = at + 2;
        }
        return None;
    }
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let goes_on = |c: char| starts(c) || c.is_ascii_digit() || c == '$';
    if !text.starts_with(starts) {
        return None;
    }
    let end = text.find(|c| !goes_on(c)).unwrap_or(text.len());
    Some((text[..end].to_ascii_lowercase(), &text[end..]))
}

/// The words that the server quotes, sorted: all of `pg_get_keywords()` that are not unreserved, over all supported versions.
const KEYWORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted_only_where_needed() {
        let check = |name: &str, expected: &str| assert_eq!(ident(name), expected);
        check("users", "users");
        check("_x1", "_x1");
        check("1x", "\"1x\"");
        check("Users", "\"Users\"");
        check("a b\"c", "\"a b\"\"c\"");
        check("order", "\"order\"");
        check("naïve", "\"naïve\"");
        check("a$b", "\"a$b\"");
        check("", "\"\"");
    }

    #[test]
    fn names_split_as_the_server_reads_them() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let parts = split(text);
            assert_eq!(parts.as_ref().map(|p| p.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(), expected);
        };
        check("users", Some(&["users"]));
        check("Public . Users", Some(&["public", "users"]));
        check("\"Weird.\"\"Name\".t", Some(&["Weird.\"Name", "t"]));
        check("a.b.c", Some(&["a", "b", "c"]));
        check("a b", None);
        check("\"open", None);
        check("", None);
        check("a.", None);
    }

    #[test]
    fn literals_double_their_quotes() {
        assert_eq!(literal("it's \\"), "'it''s \\'");
    }

    #[test]
    fn keywords_are_sorted_for_the_search() {
        assert!(KEYWORDS.is_sorted());
    }
}
