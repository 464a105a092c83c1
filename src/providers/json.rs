//! Edits of a JSON text that leave every other byte alone: order, spacing and numbers of foreign keys stay as they are.
//!
//! Knows no meaning. Where a key is written twice, the last one counts, as for nearly every reader of JSON.

use std::ops::Range;

use crate::model::Value;

/// One member of an object; ranges are bytes of the text.
#[derive(Clone, Debug)]
struct Member {
    key: String,
    /// From the key's quote to the end of the value.
    span: Range<usize>,
    value: Range<usize>,
    colon: Range<usize>,
}

/// The text with `path` set to `value`; objects on the way are made, elements of arrays are named by their number. The text must be a JSON object.
pub fn set(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let object = root(text)?;
    set_in(text, &object, path, value)
}

/// The text with `value` behind the last element of the array at `path`, written as that one; an array is made where there is none.
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only what is reached over HTTP has lists"))]
pub fn push(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let array = find(text, &root(text)?, path).filter(|range| text[range.clone()].starts_with('['));
    let Some(array) = array else { return set(text, path, &Value::Array(vec![value.clone()])) };
    let elements = elements(text, &array);
    let Some(last) = elements.last() else { return Some(splice(text, &array, &format!("[{value}]"))) };
    let before = match elements.len() {
        1 => array.start + 1,
        n => blank(text, elements[n - 2].end) + 1,
    };
    let lead = &text[before..last.start];
    Some(splice(text, &(last.end..last.end), &format!(",{lead}{value}")))
}

/// Where the value at `path` is.
fn find(text: &str, within: &Range<usize>, path: &[&str]) -> Option<Range<usize>> {
    let Some((key, rest)) = path.split_first() else { return Some(within.clone()) };
    let inner = match text.as_bytes().get(within.start)? {
        b'[' => elements(text, within).into_iter().nth(key.parse().ok()?)?,
        b'{' => members(text, within).into_iter().rev().find(|member| member.key == *key)?.value,
        _ => return None,
    };
    find(text, &inner, rest)
}

/// The text without `path`; as it is where there is none.
pub fn remove(text: &str, path: &[&str]) -> Option<String> {
    let mut text = text.to_owned();
    let array = path.split_last().and_then(|(_, path)| find(&text, &root(&text)?, path));
    if array.is_some_and(|array| text[array].starts_with('[')) {
        return remove_one(&text, root(&text)?, path).or(Some(text));
    }
    // Every duplicate: the one before would count otherwise.
    while let Some(shorter) = remove_one(&text, root(&text)?, path) {
        text = shorter;
    }
    Some(text)
}

fn root(text: &str) -> Option<Range<usize>> {
    let valid: Value = serde_json::from_str(text).ok()?;
    let start = blank(text, 0);
    valid.is_object().then(|| start..value_end(text, start))
}

fn set_in(text: &str, object: &Range<usize>, path: &[&str], value: &Value) -> Option<String> {
    let (key, rest) = path.split_first()?;
    if text[object.clone()].starts_with('[') {
        let element = find(text, object, &[key])?;
        return match rest {
            [] => Some(splice(text, &element, &value.to_string())),
            rest => set_in(text, &element, rest, value),
        };
    }
    let members = members(text, object);
    let there = members.iter().rev().find(|member| member.key == *key);
    match (there, rest) {
        (Some(member), []) => Some(splice(text, &member.value, &value.to_string())),
        (Some(member), rest) if text[member.value.clone()].starts_with(['{', '[']) => {
            set_in(text, &member.value, rest, value)
        }
        // Something else is in the way of the object that is needed here.
        (Some(member), rest) => {
            let text = splice(text, &member.value, "{}");
            set_in(&text, &(member.value.start..member.value.start + 2), rest, value)
        }
        (None, []) => Some(insert(text, object, &members, key, &value.to_string())),
        (None, rest) => {
            let text = insert(text, object, &members, key, "{}");
            let object = object.start..value_end(&text, object.start);
            let made = self::members(&text, &object).pop()?;
            set_in(&text, &made.value, rest, value)
        }
    }
}

/// Adds a member at the end of an object, written as the one before it.
fn insert(text: &str, object: &Range<usize>, members: &[Member], key: &str, value: &str) -> String {
    let key = Value::from(key).to_string();
    if let Some(last) = members.last() {
        let before = match members.len() {
            1 => object.start + 1,
            n => blank(text, members[n - 2].span.end) + 1,
        };
        let lead = &text[before..last.span.start];
        let colon = &text[last.colon.clone()];
        return splice(text, &(last.span.end..last.span.end), &format!(",{lead}{key}{colon}{value}"));
    }
    let line = text[..object.start].rfind('\n').map_or(0, |at| at + 1);
    let indent: String = text[line..object.start].chars().take_while(|c| *c == ' ' || *c == '\t').collect();
    let unit = if indent.starts_with('\t') { "\t" } else { "  " };
    let one_line = !text.trim().contains('\n') && text.trim() != "{}";
    let inside =
        if one_line { format!("{{{key}: {value}}}") } else { format!("{{\n{indent}{unit}{key}: {value}\n{indent}}}") };
    splice(text, object, &inside)
}

fn remove_one(text: &str, object: Range<usize>, path: &[&str]) -> Option<String> {
    let (key, rest) = path.split_first()?;
    if text[object.clone()].starts_with('[') {
        return remove_element(text, &object, key, rest);
    }
    let members = members(text, &object);
    let at = members.iter().rposition(|member| member.key == *key)?;
    if !rest.is_empty() {
        let inner = members[at].value.clone();
        return if text[inner.clone()].starts_with(['{', '[']) { remove_one(text, inner, rest) } else { None };
    }
    let range = match (at, members.get(at + 1)) {
        (_, Some(next)) => members[at].span.start..next.span.start,
        (0, None) => object.start + 1..object.end - 1,
        (at, None) => members[at - 1].span.end..members[at].span.end,
    };
    Some(splice(text, &range, ""))
}

fn remove_element(text: &str, array: &Range<usize>, key: &str, rest: &[&str]) -> Option<String> {
    let at: usize = key.parse().ok()?;
    let elements = elements(text, array);
    let element = elements.get(at)?;
    if !rest.is_empty() {
        return remove_one(text, element.clone(), rest);
    }
    let range = match (at, elements.get(at + 1)) {
        (_, Some(next)) => element.start..next.start,
        (0, None) => array.start + 1..array.end - 1,
        (at, None) => elements[at - 1].end..element.end,
    };
    Some(splice(text, &range, ""))
}

fn splice(text: &str, range: &Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

fn blank(text: &str, from: usize) -> usize {
    from + text.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The members of the object at `object` of a valid text.
fn members(text: &str, object: &Range<usize>) -> Vec<Member> {
    let mut found = Vec::new();
    let mut at = blank(text, object.start + 1);
    while text.as_bytes().get(at) == Some(&b'"') {
        let key_end = value_end(text, at);
        let value = blank(text, blank(text, key_end) + 1);
        let end = value_end(text, value);
        let key = serde_json::from_str(&text[at..key_end]).unwrap_or_default();
        found.push(Member { key, span: at..end, value: value..end, colon: key_end..value });
        at = blank(text, end);
        if text.as_bytes().get(at) == Some(&b',') {
            at = blank(text, at + 1);
        }
    }
    found
}

/// The elements of the array at `array` of a valid text.
fn elements(text: &str, array: &Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = blank(text, array.start + 1);
    while at < array.end - 1 {
        let end = value_end(text, at);
        found.push(at..end);
        at = blank(text, end);
        if text.as_bytes().get(at) == Some(&b',') {
            at = blank(text, at + 1);
        }
    }
    found
}

/// Where the value that starts at `from` of a valid text ends.
fn value_end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            byte if byte.is_ascii_whitespace() && depth == 0 => return at,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_value_changes_and_the_rest_stays() {
        let check = |text: &str, path: &str, expected: &str| {
            let path: Vec<_> = path.split('.').collect();
            assert_eq!(set(text, &path, &json!(5)).as_deref(), Some(expected));
        };
        check(
            r#"{ "a" : 1.0, "big": 12345678901234567890123 }"#,
            "a",
            r#"{ "a" : 5, "big": 12345678901234567890123 }"#,
        );
        check("{\n  \"a\": {\n    \"b\": 1\n  }\n}\n", "a.c", "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": 5\n  }\n}\n");
        check(r#"{"a":1,"b":"x,\"}"}"#, "c", r#"{"a":1,"b":"x,\"}","c":5}"#);
        check(r#"{"a":1,"a":2}"#, "a", r#"{"a":1,"a":5}"#);
        check("{}\n", "a.b", "{\n  \"a\": {\n    \"b\": 5\n  }\n}\n");
        check(r#"{"x": {}}"#, "x.b", r#"{"x": {"b": 5}}"#);
        check(r#"{"a": [1, {"b": 2}], "c": null}"#, "c", r#"{"a": [1, {"b": 2}], "c": 5}"#);
        check(r#"{"a": null}"#, "a.b", r#"{"a": {"b": 5}}"#);
        check("{\n\t\"é\": {}\n}", "é.b", "{\n\t\"é\": {\n\t\t\"b\": 5\n\t}\n}");
        assert_eq!(set("[]", &["a"], &json!(5)), None);
        assert_eq!(set("{", &["a"], &json!(5)), None);
    }

    #[test]
    fn elements_come_change_and_leave() {
        let check = |text: &str, path: &str, pushed: &str, set_to: &str, removed: &str| {
            let path: Vec<_> = path.split('.').collect();
            assert_eq!(push(text, &path[..1], &json!(5)).as_deref(), Some(pushed));
            assert_eq!(set(text, &path, &json!(5)).as_deref(), Some(set_to));
            assert_eq!(remove(text, &path).as_deref(), Some(removed));
        };
        check(r#"{"a": [1, 2]}"#, "a.0", r#"{"a": [1, 2, 5]}"#, r#"{"a": [5, 2]}"#, r#"{"a": [2]}"#);
        check("{\"a\":[\n  1\n]}", "a.0", "{\"a\":[\n  1,\n  5\n]}", "{\"a\":[\n  5\n]}", "{\"a\":[]}");
        let deep = r#"{"a": [{"b": [1]}, {"b": "]"}]}"#;
        let (changed, shorter) = (r#"{"a": [{"b": [1]}, {"b": 5}]}"#, r#"{"a": [{"b": [1]}, {}]}"#);
        assert_eq!(set(deep, &["a", "1", "b"], &json!(5)).as_deref(), Some(changed));
        assert_eq!(remove(deep, &["a", "1", "b"]).as_deref(), Some(shorter));
        assert_eq!(push("{}", &["a"], &json!(5)).as_deref(), Some("{\n  \"a\": [5]\n}"));
        assert_eq!(push(r#"{"a": []}"#, &["a"], &json!(5)).as_deref(), Some(r#"{"a": [5]}"#));
    }

    #[test]
    fn a_member_leaves_with_its_comma() {
        let check = |text: &str, path: &str, expected: &str| {
            let path: Vec<_> = path.split('.').collect();
            assert_eq!(remove(text, &path).as_deref(), Some(expected));
        };
        check(r#"{"a": 1, "b": 2}"#, "a", r#"{"b": 2}"#);
        check(r#"{"a": 1, "b": 2}"#, "b", r#"{"a": 1}"#);
        check(r#"{"a": {"b": 2}}"#, "a.b", r#"{"a": {}}"#);
        check(r#"{"a": 1, "a": 2}"#, "a", "{}");
        check(r#"{"a": 1}"#, "b.c", r#"{"a": 1}"#);
        check(r#"{"a": 1}"#, "a.c", r#"{"a": 1}"#);
    }
}
