//! The tests that need the real binary, real servers or the sources: one program, so that they are linked once.

mod cases;
mod kit;
mod readme;
mod tidy;
