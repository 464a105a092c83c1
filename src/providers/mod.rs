//! The registry: every provider, one line each.

pub mod app;
pub mod balancer;
#[cfg(feature = "http")]
pub mod caddy;
pub mod haproxy;
mod json;
#[cfg(feature = "redis")]
pub mod key_lock;
pub mod nginx;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use crate::provider::Descriptor;

/// The providers of this build, sorted by name.
pub static REGISTRY: &[Descriptor] = &[
    crate::provider::describe::<app::App>(),
    #[cfg(feature = "http")]
    crate::provider::describe::<caddy::Caddy>(),
    crate::provider::describe::<haproxy::Haproxy>(),
    crate::provider::describe::<nginx::Nginx>(),
    #[cfg(feature = "postgres")]
    crate::provider::describe::<pgbouncer::Pgbouncer>(),
    #[cfg(feature = "postgres")]
    crate::provider::describe::<postgres::Postgres>(),
    #[cfg(feature = "redis")]
    crate::provider::describe::<redis::Redis>(),
    #[cfg(feature = "sqlite")]
    crate::provider::describe::<sqlite::Sqlite>(),
];
