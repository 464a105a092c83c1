//! Which Caddy runs, and how that is known.

use crate::providers::balancer::Version;

/// Which Caddy runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// It or the policy says so.
    Told(Version),
    /// It gives tags in the head of its answers, which began with 2.8.
    Newer,
    /// It gives them behind the body, as no version since 2.8 does.
    Older,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Release {
    /// What it is taken for: the oldest that it can be, and that is maintained.
    pub fn version(self) -> Version {
        match self {
            Self::Told(version) => version,
            Self::Newer => Version(2, 8, 0),
            Self::Older | Self::Unknown => Version(2, 6, 0),
        }
    }

    /// What is to be said where it is a guess.
    pub fn doubt(self) -> Option<String> {
        let why = match self {
            Self::Told(_) => return None,
            Self::Newer => "answers as 2.8 and newer ones do",
            Self::Older => "answers as those before 2.8 do",
            Self::Unknown => "cannot be asked for it",
        };
        let version = self.version();
        Some(format!(
            "caddy does not tell its version and {why}: it is taken for {version}; where that is wrong, set `version`"
        ))
    }
}

#[test]
fn a_version_is_guessed_low_and_that_is_said() {
    let check = |release: Release, version: Version, said: Option<&str>| {
        assert_eq!(release.version(), version);
        assert_eq!(release.doubt().is_some(), said.is_some());
        assert!(release.doubt().unwrap_or_default().contains(said.unwrap_or_default()));
    };
    check(Release::Told(Version(2, 7, 6)), Version(2, 7, 6), None);
    check(Release::Newer, Version(2, 8, 0), Some("taken for 2.8"));
    check(Release::Older, Version(2, 6, 0), Some("taken for 2.6"));
    check(Release::Unknown, Version(2, 6, 0), Some("cannot be asked"));
}
