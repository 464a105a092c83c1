//! Versions of balancers, as far as what they can do hangs on them.

use std::fmt;

/// Major, minor and patch version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first two or three numbers of a text such as `2.6.12-1+deb12u4`; `None` where it has none.
    pub fn parse(text: &str) -> Option<Self> {
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let mut numbers = text[from..].split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        // What follows is the patch only where nothing but a dot is in between.
        let joined = text[from..].starts_with(&format!("{major}.{minor}."));
        let patch = numbers.next().and_then(Result::ok).filter(|_| joined);
        Some(Self(major, minor, patch.unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        if *patch == 0 { write!(f, "{major}.{minor}") } else { write!(f, "{major}.{minor}.{patch}") }
    }
}

#[test]
fn versions_are_read_and_compared() {
    assert_eq!(Version::parse("2.6.12-1+deb12u4"), Some(Version(2, 6, 12)));
    assert_eq!(Version::parse("nginx version: nginx/1.29.6"), Some(Version(1, 29, 6)));
    assert_eq!(Version::parse("3.2-dev4"), Some(Version(3, 2, 0)));
    assert_eq!(Version::parse("v2.11"), Some(Version(2, 11, 0)));
    assert_eq!(Version::parse("unknown"), None);
    assert!(Version(2, 11, 0) > Version(2, 6, 12));
}
