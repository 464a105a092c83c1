//! The registry: every provider, one line each.

use crate::provider::Descriptor;

/// The providers of this build, sorted by name.
pub static REGISTRY: &[Descriptor] = &[];
