//! The tests that need the real binary, real servers or the sources: one program, so that they are linked once.

mod app;
#[cfg(feature = "http")]
mod caddy;
mod cases;
mod cli;
mod examples;
#[cfg(feature = "sqlite")]
mod fixed_point;
mod haproxy;
#[cfg(all(feature = "postgres", feature = "redis"))]
mod invalidation;
mod kit;
mod laws;
mod nginx;
mod nginx_corpus;
mod pgbouncer;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_index;
mod readme;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite_cache;
mod tidy;
