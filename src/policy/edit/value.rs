//! Edits within one value: what stays equal keeps the author's notation, comments and line breaks.

use toml_edit::{Array, InlineTable, Key, Value as Toml};

use crate::error::{Error, Result};
use crate::model::Value;
use crate::model::units::{Duration, Percent, Size};
use crate::policy::write::pretty;

/// The text of a value after `new` has been written to the place in it that `keys` lead to.
pub(super) fn set(text: &str, keys: &[String], new: &Value) -> Result<String> {
    let mut value = read(text)?;
    let mut place = &mut value;
    for (depth, key) in keys.iter().enumerate() {
        let table = place.as_inline_table_mut().ok_or_else(|| not_a_table(key))?;
        if !table.contains_key(key) {
            let wrap = |value: Value, key: &String| Value::Object([(key.clone(), value)].into_iter().collect());
            let new = keys[depth + 1..].iter().rev().fold(new.clone(), wrap);
            insert(table, key, &new)?;
            return Ok(value.to_string());
        }
        place = table.get_mut(key).ok_or_else(|| not_a_table(key))?;
    }
    update(place, new)?;
    Ok(value.to_string())
}

/// The text of a value without what `keys` lead to.
pub(super) fn unset(text: &str, keys: &[String]) -> Result<String> {
    let mut value = read(text)?;
    let mut place = &mut value;
    let Some((last, parents)) = keys.split_last() else { return Ok(text.to_owned()) };
    for key in parents {
        place = place.as_inline_table_mut().and_then(|table| table.get_mut(key)).ok_or_else(|| not_a_table(key))?;
    }
    remove(place.as_inline_table_mut().ok_or_else(|| not_a_table(last))?, last);
    Ok(value.to_string())
}

fn not_a_table(key: &str) -> Error {
    Error::usage(format!("there is no table for `{key}`"))
}

fn read(text: &str) -> Result<Toml> {
    text.parse().map_err(|_| Error::bug("a value of the policy does not parse by itself"))
}

fn update(old: &mut Toml, new: &Value) -> Result<()> {
    if same(old, new) {
        return Ok(());
    }
    match (&mut *old, new) {
        // An empty list has no style to keep, unless somebody says in it why it is empty.
        (Toml::Array(list), Value::Array(items)) if !list.is_empty() || has_comment(list) => update_list(list, items),
        (Toml::InlineTable(table), Value::Object(map)) => {
            let gone: Vec<_> =
                table.iter().map(|(key, _)| key.to_owned()).filter(|key| !map.contains_key(key)).collect();
            for key in &gone {
                remove(table, key);
            }
            for (key, value) in map {
                match table.get_mut(key) {
                    Some(old) => update(old, value)?,
                    None => insert(table, key, value)?,
                }
            }
            Ok(())
        }
        _ => {
            let decor = old.decor().clone();
            *old = read(&pretty(new, 0))?;
            *old.decor_mut() = decor;
            Ok(())
        }
    }
}

fn has_comment(list: &Array) -> bool {
    list.trailing().as_str().is_some_and(|space| space.contains('#'))
}

/// Whether a value means the same as the one that is written, in whatever notation.
fn same(old: &Toml, new: &Value) -> bool {
    match (old, new) {
        (Toml::Boolean(old), Value::Bool(new)) => old.value() == new,
        (Toml::Integer(old), Value::Number(new)) => Some(*old.value()) == new.as_i64(),
        (Toml::Integer(old), Value::String(new)) => {
            new.parse::<Percent>().is_ok_and(|new| i64::from(new.get()) == *old.value())
        }
        (Toml::Float(old), Value::Number(new)) => Some(*old.value()) == new.as_f64(),
        (Toml::String(old), Value::String(new)) => old.value() == new || same_quantity(old.value(), new),
        (Toml::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
        }
        (Toml::InlineTable(old), Value::Object(new)) => {
            old.len() == new.len() && new.iter().all(|(key, new)| old.get(key).is_some_and(|old| same(old, new)))
        }
        _ => false,
    }
}

/// Whether two texts are one duration or size: `30m` and `1800s`. Bare numbers are not: they may count anything.
fn same_quantity(old: &str, new: &str) -> bool {
    let unit = |text: &str| text.ends_with(|c: char| c.is_ascii_alphabetic());
    let equal = |old: Option<u64>, new: Option<u64>| old.is_some() && old == new;
    let duration = |text: &str| text.parse::<Duration>().ok().map(Duration::as_micros);
    let size = |text: &str| text.parse::<Size>().ok().map(Size::bytes);
    unit(old) && unit(new) && (equal(duration(old), duration(new)) || equal(size(old), size(new)))
}

/// Makes a list equal to `items`; those at the beginning and at the end that stay are not touched.
fn update_list(list: &mut Array, items: &[Value]) -> Result<()> {
    let (before, shorter) = (list.len(), list.len().min(items.len()));
    let head = list.iter().zip(items).take_while(|(old, new)| same(old, new)).count();
    let ends_alike = |back: &usize| list.get(before - back).is_some_and(|old| same(old, &items[items.len() - back]));
    let tail = (1..=shorter - head).take_while(ends_alike).count();
    let (old_end, new_end) = (before - tail, items.len() - tail);
    let first = list.get(0).map(prefix_of).unwrap_or_default();
    let indent = list.iter().map(prefix_of).find_map(|prefix| prefix.rfind('\n').map(|at| prefix[at..].to_owned()));
    let mut ending = if tail == 0 { take_ending(list) } else { Ending::default() };

    for i in (new_end.max(head)..old_end).rev() {
        // A comment in the line of an item follows its comma, so it is found in front of the next item.
        let of_previous = line_and_rest(&prefix_of(&list.remove(i))).0.to_owned();
        match list.get_mut(i) {
            Some(next) => {
                let prefix = prefix_of(next);
                next.decor_mut().set_prefix(of_previous + line_and_rest(&prefix).1);
            }
            None => ending.comment = of_previous,
        }
    }
    for (i, new) in items.iter().enumerate().take(new_end).skip(head) {
        if i < old_end {
            list.get_mut(i).map_or(Ok(()), |old| update(old, new))?;
            continue;
        }
        let space = indent.as_deref().unwrap_or(if i == 0 { "" } else { " " });
        let comment = if i == before { std::mem::take(&mut ending.comment) } else { String::new() };
        list.insert_formatted(i, read(&pretty(new, 0))?.decorated(comment + space, ""));
    }
    if indent.is_none() {
        // On one line only the first item may stand right behind the bracket.
        for (i, value) in list.iter_mut().enumerate() {
            if i == 0 {
                value.decor_mut().set_prefix(first.as_str());
            } else if prefix_of(value).is_empty() && new_end != old_end {
                value.decor_mut().set_prefix(" ");
            }
        }
    }
    if tail == 0 {
        put_ending(list, &ending);
    }
    Ok(())
}

/// What of a space belongs to the line that it begins in, and the rest. All of it is the rest where it ends in that line.
fn line_and_rest(space: &str) -> (&str, &str) {
    space.split_at(space.find('\n').unwrap_or(0))
}

/// What stands behind the last value before the bracket: its comment, and the space after that.
#[derive(Default)]
struct Ending {
    comment: String,
    space: String,
}

impl Ending {
    fn new(text: &str) -> Self {
        let (comment, space) = text.split_at(text.rfind('\n').unwrap_or(0));
        Self { comment: comment.to_owned(), space: space.to_owned() }
    }
}

/// Takes away what stands behind the last item.
fn take_ending(list: &mut Array) -> Ending {
    let trailing = list.trailing().as_str().unwrap_or_default().to_owned();
    list.set_trailing("");
    let ending = if list.trailing_comma() { String::new() } else { take_suffix(list.iter_mut().last()) };
    Ending::new(&(ending + &trailing))
}

fn put_ending(list: &mut Array, ending: &Ending) {
    if list.is_empty() {
        list.set_trailing_comma(false);
    } else {
        list.set_trailing(format!("{}{}", ending.comment, ending.space));
    }
}

fn take_suffix(value: Option<&mut Toml>) -> String {
    let Some(decor) = value.map(Toml::decor_mut) else { return String::new() };
    let suffix = decor.suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default().to_owned();
    decor.set_suffix("");
    suffix
}

fn prefix_of(value: &Toml) -> String {
    value.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned()
}

/// Adds a key at the end of an inline table, spaced like the others.
fn insert(table: &mut InlineTable, key: &str, new: &Value) -> Result<()> {
    let first = table.iter().next().map(|(key, _)| key.to_owned());
    let space = first.and_then(|first| Some(table.key(&first)?.leaf_decor().prefix()?.as_str()?.to_owned()));
    let space = match space {
        Some(space) => space.rfind('\n').map_or(" ".to_owned(), |at| space[at..].to_owned()),
        None => " ".to_owned(),
    };
    let ending = Ending::new(&take_suffix(table.iter_mut().last().map(|(_, value)| value)));
    let suffix = if table.is_empty() { " ".to_owned() } else { ending.space };
    let mut name = Key::new(key);
    name.leaf_decor_mut().set_prefix(format!("{}{space}", ending.comment));
    name.leaf_decor_mut().set_suffix(" ");
    table.insert_formatted(&name, read(&pretty(new, 0))?.decorated(" ", suffix));
    Ok(())
}

/// Removes a key of an inline table; what stands before the bracket stays there.
fn remove(table: &mut InlineTable, key: &str) {
    let is_last = table.iter().last().is_some_and(|(last, _)| last == key);
    let is_first = table.iter().next().is_some_and(|(first, _)| first == key);
    let first = table.key(key).and_then(|key| key.leaf_decor().prefix().cloned());
    let suffix = table.remove(key).and_then(|value| value.decor().suffix().cloned());
    if let Some(suffix) = suffix.filter(|_| is_last)
        && let Some((_, last)) = table.iter_mut().last()
    {
        last.decor_mut().set_suffix(suffix);
    }
    if let Some(prefix) = first.filter(|_| is_first)
        && let Some((mut key, _)) = table.iter_mut().next()
    {
        key.leaf_decor_mut().set_prefix(prefix);
    }
}
