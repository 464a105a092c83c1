//! Tests on real servers, in one binary.

#[cfg(feature = "postgres")]
mod postgres_index;
