//! The registry: every provider, one line each.

#[cfg(feature = "redis")]
pub mod redis;

use crate::provider::Descriptor;
#[cfg(feature = "redis")]
use crate::provider::describe;

/// The providers of this build, sorted by name.
pub static REGISTRY: &[Descriptor] = &[
    #[cfg(feature = "redis")]
    describe::<redis::Redis>(),
];
