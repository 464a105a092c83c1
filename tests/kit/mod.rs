//! What the tests stand on: the real binary, real servers, and folders that go away again.
//!
//! Everything listens on loopback only, on ports that the system hands out, and is stopped even when a test dies.

mod backend;
mod bench;
#[cfg(feature = "http")]
mod caddy;
mod certificate;
#[cfg(feature = "http")]
mod cut;
mod daemon;
mod folder;
mod haproxy;
mod hold;
mod network;
mod nginx;
mod pgbouncer;
mod postgres;
mod redact;
mod redis;
mod run;
mod sqlite;
mod wrk;

pub use backend::{Backend, Client, Load};
pub use bench::Bench;
#[cfg(feature = "http")]
pub use caddy::{Admin, Caddy, Extra, PLANTED};
pub use certificate::{Certificate, seen};
#[cfg(feature = "http")]
pub use cut::{Cut, Wire};
pub use daemon::{eventually, free_port};
pub use folder::Folder;
pub use haproxy::{Haproxy, binary as haproxy_binary};
pub use hold::Hold;
pub use network::{Network, in_a_network_that};
pub use nginx::{Nginx, binary as nginx_binary};
pub use pgbouncer::{CONSOLE_PASSWORD, Pgbouncer};
pub use postgres::{Postgres, Statement, program};
pub use redis::{PASSWORD as REDIS_PASSWORD, Redis};
pub use run::{Output, Run, Running};
pub use sqlite::Sqlite;
pub use wrk::Wrk;
