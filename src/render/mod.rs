//! d

pub mod diagnostic;
mod mask;
