//! Durations as Caddy has them: nanoseconds, or Go's notation with days besides, `1d2h`, `1.5s`.

use crate::model::Value;
use crate::model::units::Duration;

/// Reads one; `None` where it is none, or finer than a microsecond.
pub fn read(value: &Value) -> Option<Duration> {
    let nanos = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => nanos(text)?,
        _ => return None,
    };
    nanos.is_multiple_of(1_000).then(|| Duration::from_micros(nanos / 1_000))
}

/// Writes one.
pub fn write(duration: Duration) -> Value {
    let micros = duration.as_micros();
    let text = match micros {
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    };
    text.into()
}

fn nanos(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        total = total.checked_add(whole.checked_mul(*unit)?)?;
        let mut scale = *unit;
        for digit in part.bytes() {
            scale /= 10;
            total = total.checked_add(u64::from(digit.checked_sub(b'0')?) * scale)?;
        }
        rest = behind;
    }
    (!text.is_empty()).then_some(total)
}

#[test]
fn all_notations_are_one_duration() {
    let check = |value: Value, expected: Option<u64>| {
        assert_eq!(read(&value).map(Duration::as_micros), expected, "{value}");
    };
    check("1m30s".into(), Some(90_000_000));
    check("1.5h".into(), Some(5_400_000_000));
    check("500ms".into(), Some(500_000));
    check("1d".into(), Some(86_400_000_000));
    check(5_000_000_000_u64.into(), Some(5_000_000));
    check("0".into(), Some(0));
    check("".into(), None);
    check("5".into(), None);
    check("5x".into(), None);
    check((-1).into(), None);
    for micros in [1, 1_500, 2_000_000] {
        let duration = Duration::from_micros(micros);
        assert_eq!(read(&write(duration)), Some(duration));
    }
}
