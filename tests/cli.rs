//! The program from outside: what people get wrong, what they are told, and the exit code that scripts see.

mod input;
mod journal;
#[cfg(feature = "postgres")]
mod reach;
mod refuse;
mod schema;
mod verbs;
