//! Numbers with PostgreSQL's units: read as the server reads them, printed as `show` prints them.
//!
//! Knows no parameter; `base` is the unit in which a parameter's number is stored, `8kB` or `ms`.

use crate::model::units;

/// Bytes in each unit of memory, largest first. PostgreSQL's `MB` are binary.
const MEMORY: [(&str, f64); 5] =
    [("TB", 1_099_511_627_776.0), ("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0), ("B", 1.0)];

/// Microseconds in each unit of time, largest first.
const TIME: [(&str, f64); 6] = [
    ("d", 86_400_000_000.0),
    ("h", 3_600_000_000.0),
    ("min", 60_000_000.0),
    ("s", 1_000_000.0),
    ("ms", 1_000.0),
    ("us", 1.0),
];

/// Spellings that the server does not know and people write.
const ALIASES: [(&str, &str); 7] =
    [("KiB", "kB"), ("MiB", "MB"), ("GiB", "GB"), ("TiB", "TB"), ("KB", "kB"), ("m", "min"), ("µs", "us")];

/// The table that `base` belongs to, and how much of its smallest unit one `base` is.
fn table(base: &str) -> Option<(&'static [(&'static str, f64)], f64)> {
    let digits = base.find(|c: char| !c.is_ascii_digit()).unwrap_or(base.len());
    let times = if digits == 0 { 1.0 } else { base[..digits].parse().ok()? };
    let unit = &base[digits..];
    let find = |table: &'static [(&'static str, f64)]| {
        table.iter().find(|(name, _)| *name == unit).map(|(_, factor)| (table, times * factor))
    };
    find(&MEMORY).or_else(|| find(&TIME))
}

/// Whether `base` measures time.
fn is_time(base: &str) -> bool {
    TIME.iter().any(|(name, _)| *name == base)
}

/// Reads `text` in units of `base`; no base, no units.
///
/// # Errors
/// What is wrong, as a fragment to follow the text.
pub fn read(text: &str, base: Option<&str>) -> Result<f64, String> {
    let text = text.trim();
    let (number, unit) = split(text).ok_or_else(|| "is no number".to_owned())?;
    if unit.is_empty() {
        return Ok(number);
    }
    let Some((base, (units, one))) = base.and_then(|base| Some((base, table(base)?))) else {
        return Err("has a unit, and this setting takes none".into());
    };
    let known = ALIASES.iter().find(|(alias, _)| *alias == unit).map_or(unit, |(_, known)| known);
    let Some(at) = units.iter().position(|(name, _)| *name == known) else {
        // `1h30m` is how the rest of the policy writes a duration.
        return match text.parse::<units::Duration>() {
            #[expect(clippy::cast_precision_loss, reason = "the server itself reckons in doubles")]
            Ok(duration) if is_time(base) => Ok(duration.as_micros() as f64 / one),
            _ => {
                let names: Vec<_> = units.iter().map(|(name, _)| *name).collect();
                Err(format!("has the unit `{unit}`, and the server knows {}", crate::model::text::list(names)))
            }
        };
    };
    let value = number * units[at].1;
    // A fraction is rounded to the next smaller unit, as the server does it: 30.1GB is a whole number of MB.
    let value = match units.get(at + 1) {
        Some((_, smaller)) if *smaller >= one => (value / smaller).round_ties_even() * smaller,
        _ => value,
    };
    Ok(value / one)
}

/// The number at the head of `text`, and the rest. Hexadecimal and octal as in C, as in the server.
fn split(text: &str) -> Option<(f64, &str)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let radix = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().map(f64::from);
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        return Some((sign * radix(&hex[..end], 16)?, hex[end..].trim_start()));
    }
    let mut end = 0;
    let bytes = digits.as_bytes();
    while end < bytes.len() {
        let exponent = matches!(bytes[end], b'e' | b'E')
            && bytes.get(end + 1).is_some_and(|next| next.is_ascii_digit() || matches!(next, b'+' | b'-'));
        match bytes[end] {
            b'0'..=b'9' | b'.' => end += 1,
            _ if exponent => end += 2,
            _ => break,
        }
    }
    let (head, rest) = digits.split_at(end);
    let whole = !head.is_empty() && head.bytes().all(|byte| byte.is_ascii_digit());
    let octal = whole && head.len() > 1 && head.starts_with('0');
    let number = if octal { radix(head, 8)? } else { head.parse().ok()? };
    Some((sign * number, rest.trim_start()))
}

/// Prints a whole number of `base` in the largest unit that divides it. `None` where it is not positive or has no unit.
pub fn print_whole(number: i64, base: Option<&str>) -> Option<String> {
    let (units, one) = table(base?)?;
    let (number, one) = (u128::try_from(number).ok().filter(|number| *number > 0)?, exact(one));
    let total = number * one;
    let (name, factor) = units.iter().find(|(_, factor)| total.is_multiple_of(exact(*factor)))?;
    Some(format!("{}{name}", total / exact(*factor)))
}

/// Prints a number of `base` in the largest unit in which it is whole, or else in the smallest.
pub fn print_real(number: f64, base: Option<&str>) -> Option<String> {
    let (units, one) = table(base?)?;
    if number <= 0.0 {
        return None;
    }
    let total = number * one;
    let whole = |factor: f64| {
        let count = total / factor;
        count.round_ties_even() > 0.0 && (count.round_ties_even() / count - 1.0).abs() <= 1e-8
    };
    match units.iter().find(|(_, factor)| whole(*factor)) {
        Some((name, factor)) => Some(format!("{}{name}", (total / factor).round_ties_even())),
        None => units.last().map(|(name, factor)| format!("{}{name}", total / factor)),
    }
}

/// A factor of the tables above as a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the tables hold small positive whole numbers"
)]
fn exact(factor: f64) -> u128 {
    factor as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, base: &str, expected: &str) {
        let base = (!base.is_empty()).then_some(base);
        let shown = match read(text, base) {
            Ok(number) => match print_real(number, base) {
                Some(printed) => format!("{number} = {printed}"),
                None => number.to_string(),
            },
            Err(problem) => problem,
        };
        assert_eq!(shown, expected, "{text} in {base:?}");
    }

    #[test]
    fn quantities_are_read_and_printed_as_the_server_does() {
        check("60s", "ms", "60000 = 1min");
        check("60000", "ms", "60000 = 1min");
        check(" 1.5 h ", "ms", "5400000 = 90min");
        check("1h30m", "ms", "5400000 = 90min");
        check("15m", "s", "900 = 15min");
        check("500ms", "s", "0.5 = 500ms");
        check("64MB", "kB", "65536 = 64MB");
        check("64MiB", "kB", "65536 = 64MB");
        check("0x40", "kB", "64 = 64kB");
        check("010", "", "8");
        check("128MB", "8kB", "16384 = 128MB");
        check("30.1GB", "kB", "31561728 = 30822MB");
        check("1e3", "", "1000");
        check("-1", "ms", "-1");
        check("0.5", "ms", "0.5 = 500us");
        check("64mb", "kB", "has the unit `mb`, and the server knows `TB`, `GB`, `MB`, `kB` and `B`");
        check("5 apples", "", "has a unit, and this setting takes none");
        check("soon", "ms", "is no number");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".*", unit in "(ms|8kB|B|min|s)?") {
            let base = (!unit.is_empty()).then_some(unit.as_str());
            if let Ok(number) = read(&text, base) {
                print_real(number, base);
            }
        }

        #[test]
        fn what_is_printed_reads_the_same(number in 0..i64::from(i32::MAX), unit in "(ms|8kB|kB|min|s|MB)") {
            let printed = print_whole(number, Some(&unit)).unwrap_or_else(|| number.to_string());
            #[expect(clippy::cast_precision_loss, reason = "32 bits fit")]
            let same = (read(&printed, Some(&unit)).unwrap() - number as f64).abs() < f64::EPSILON;
            proptest::prop_assert!(same, "{number} {unit} is printed as {printed}");
        }
    }
}
