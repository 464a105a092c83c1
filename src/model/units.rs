//! Units of the policy language: durations, sizes, percentages. Each has one canonical print, so that `==` is equality.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration in whole microseconds: `"90s"`, `"15m"`, `"1h30m"`, `"7d"`. Prints in the largest units that fit: `1h30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// A size in bytes: `"64MiB"`, `"2GB"`. Prints in the largest unit that divides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// A percentage: `"30%"`, or a whole number from 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

const MICROS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

const BYTES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
];

impl Duration {
    /// From whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000)
    }

    /// From whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    /// From whole microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Whole microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// As the standard library's type.
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0)
    }
}

impl Size {
    /// From bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Percent {
    /// From a whole number; `None` over 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self(percent)) } else { None }
    }

    /// The whole number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no duration; write it as \"30s\", \"15m\", \"1h30m\" or \"7d\"");
        let span: jiff::Span = text.parse().map_err(|_| wrong())?;
        let calendar = span.get_years() != 0 || span.get_months() != 0;
        let nanos = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?.as_nanos();
        if calendar || nanos < 0 || nanos % 1_000 != 0 {
            return Err(wrong());
        }
        u64::try_from(nanos / 1_000).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, micros) in MICROS {
            if rest >= micros {
                write!(f, "{}{unit}", rest / micros)?;
                rest %= micros;
            }
        }
        Ok(())
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|_| format!("`{text}` is no size; write it as \"64MiB\" or \"2GB\""))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BYTES.iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes)) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix('%')
            .and_then(|digits| digits.trim().parse().ok())
            .and_then(Self::new)
            .ok_or_else(|| format!("`{text}` is no percentage; write it as \"30%\""))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

macro_rules! as_text {
    ($($name:ident, $pattern:literal, $example:literal);*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    )*};
}
as_text!(
    Duration, r"^([0-9.]+ ?[a-zµ]+ ?)+$", "30s";
    Size, r"^[0-9.]+ ?([kKmMgGtT]i?)?[bB]?$", "64MiB"
);

macro_rules! from_text {
    ($($name:ident, $noun:literal);*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($noun)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    )*};
}
from_text!(Duration, "a duration such as \"30s\""; Size, "a size such as \"64MiB\"");

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Percent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage such as \"30%\" or 30")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Percent, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Percent, E> {
                u8::try_from(number)
                    .ok()
                    .and_then(Percent::new)
                    .ok_or_else(|| E::custom(format!("`{number}` is no percentage; it goes from 0 to 100")))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl schemars::JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "oneOf": [
            { "type": "string", "pattern": "^[0-9]{1,3}%$" },
            { "type": "integer", "minimum": 0, "maximum": 100 }
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_print() {
        let check = |text: &str, expected: &str| {
            let printed = text.parse::<Duration>().map_or_else(|e| e, |d| d.to_string());
            assert_eq!(printed, expected);
        };
        check("1800s", "30m");
        check("30m", "30m");
        check("90s", "1m30s");
        check("1h30m", "1h30m");
        check("7d", "7d");
        check("500ms", "500ms");
        check("0s", "0s");
        check("soon", "`soon` is no duration; write it as \"30s\", \"15m\", \"1h30m\" or \"7d\"");
        check("-1s", "`-1s` is no duration; write it as \"30s\", \"15m\", \"1h30m\" or \"7d\"");
        check("1mo", "`1mo` is no duration; write it as \"30s\", \"15m\", \"1h30m\" or \"7d\"");
    }

    #[test]
    fn sizes_have_one_print() {
        let check = |text: &str, expected: &str| {
            let printed = text.parse::<Size>().map_or_else(|e| e, |s| s.to_string());
            assert_eq!(printed, expected);
        };
        check("64MiB", "64MiB");
        check("2GB", "2GB");
        check("2048MiB", "2GiB");
        check("1000", "1KB");
        check("7", "7B");
        check("much", "`much` is no size; write it as \"64MiB\" or \"2GB\"");
    }
}
