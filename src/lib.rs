//! evenkeel: a declarative plan/apply engine for tuning infrastructure.
//!
//! One loop, in reading order: [`policy`] text becomes what is wanted; a [`provider`] reads what is there; [`diff`] compares;
//! [`plan`] orders and guards; [`render`] shows; [`apply`] runs; [`worker`] tells caches what has changed. The nouns are in [`model`], the systems in [`providers`],
//! the verbs of the command line in [`cli`].

pub mod apply;
pub mod cli;
pub mod diff;
pub mod error;
pub mod model;
pub mod plan;
pub mod policy;
pub mod provider;
pub mod providers;
pub mod render;
pub mod worker;
