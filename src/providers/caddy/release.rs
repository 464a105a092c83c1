//! What a version of Caddy can, and how it is known which one runs.

use crate::model::ResourceId;
use crate::provider::Problem;
use crate::providers::balancer::{Algorithm, Balance, Health, Node, NodeState, Spec, Version};

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

/// From which version on nodes have weights.
const WEIGHTS: Version = Version(2, 7);
/// From which version on active checks have thresholds.
const THRESHOLDS: Version = Version(2, 8);

impl Release {
    fn lacks(self, since: Version) -> bool {
        match self {
            Self::Told(version) => version < since,
            Self::Newer => since > THRESHOLDS,
            Self::Older | Self::Unknown => true,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Told(version) => format!("caddy {version}"),
            Self::Newer => "this caddy, 2.8 or newer,".into(),
            Self::Older => "this caddy, older than 2.8,".into(),
            Self::Unknown => "a caddy of unknown version".into(),
        }
    }

    /// What of a resource this version cannot do.
    pub fn refusals(self, id: &ResourceId, want: &Spec) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut since = |attribute: &str, what: &str, version: Version| {
            if self.lacks(version) {
                let message = format!("{} has no {what}; they came with {version}", self.name());
                let hint = match self {
                    Self::Told(_) => "upgrade caddy, or leave it out".to_owned(),
                    _ => format!("where it is {version} or newer, say so in the target: version = \"{version}\""),
                };
                found.push(Problem::of(id, message).at(attribute).hint(hint));
            }
        };
        match want {
            Spec::Balance(Balance { algorithm: Some(Algorithm::Weighted) }) => since("algorithm", "weights", WEIGHTS),
            Spec::Node(Node { weight: Some(_), .. }) => since("weight", "weights", WEIGHTS),
            Spec::Health(Health { unhealthy_threshold, healthy_threshold, .. }) => {
                if unhealthy_threshold.is_some() {
                    since("unhealthy_threshold", "thresholds", THRESHOLDS);
                }
                if healthy_threshold.is_some() {
                    since("healthy_threshold", "thresholds", THRESHOLDS);
                }
            }
            _ => {}
        }
        found
    }
}

/// What no version can.
pub fn never(id: &ResourceId, want: &Spec) -> Option<Problem> {
    let Spec::Node(Node { state: Some(state @ (NodeState::Drain | NodeState::Maintenance)), .. }) = want else {
        return None;
    };
    let message = format!("caddy has no state `{state}`: a node is in its list or it is not");
    let hint = "`absent = true` takes it out; what it is working on is finished";
    Some(Problem::of(id, message).at("state").hint(hint))
}

#[test]
fn each_version_refuses_what_it_has_not() {
    let check = |release: Release, spec: &Spec, expected: &[&str]| {
        let found = release.refusals(&ResourceId::only("x"), spec);
        let show = |p: &Problem| format!("{}: {}", p.attribute.as_deref().unwrap_or("-"), p.message);
        assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected, "{release:?}");
    };
    let weight = Spec::Node(Node { weight: Some(2), ..Node::default() });
    check(Release::Told(Version(2, 6)), &weight, &["weight: caddy 2.6 has no weights; they came with 2.7"]);
    check(Release::Older, &weight, &["weight: this caddy, older than 2.8, has no weights; they came with 2.7"]);
    check(Release::Told(Version(2, 7)), &weight, &[]);
    check(Release::Newer, &weight, &[]);
    let health = Spec::Health(Health { unhealthy_threshold: Some(3), ..Health::default() });
    let refused = ["unhealthy_threshold: caddy 2.7 has no thresholds; they came with 2.8"];
    check(Release::Told(Version(2, 7)), &health, &refused);
    check(Release::Newer, &health, &[]);
    check(Release::Told(Version(2, 10)), &health, &[]);
}
