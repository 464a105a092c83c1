//! The program from outside: what people get wrong, what they are told, and the exit code that scripts see.

#[cfg(feature = "sqlite")]
mod demo;
mod input;
mod journal;
#[cfg(feature = "postgres")]
mod reach;
mod refuse;
#[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod schema;
mod verbs;
