//! Versions of balancers, as far as what they can do hangs on them.

use std::fmt;

/// Major and minor version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The first two numbers of a text such as `2.6.12-1+deb12u4`; `None` where it has none.
    pub fn parse(text: &str) -> Option<Self> {
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let mut numbers = text[from..].split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self(numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[test]
fn versions_are_read_and_compared() {
    assert_eq!(Version::parse("2.6.12-1+deb12u4"), Some(Version(2, 6)));
    assert_eq!(Version::parse("v2.11"), Some(Version(2, 11)));
    assert_eq!(Version::parse("unknown"), None);
    assert!(Version(2, 11) > Version(2, 6));
}
