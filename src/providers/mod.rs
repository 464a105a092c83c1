//! The registry: every provider, one line each.

#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use crate::provider::Descriptor;

/// The providers of this build, sorted by name.
pub static REGISTRY: &[Descriptor] = &[
    #[cfg(feature = "redis")]
    crate::provider::describe::<redis::Redis>(),
    #[cfg(feature = "sqlite")]
    crate::provider::describe::<sqlite::Sqlite>(),
];
