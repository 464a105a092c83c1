//! The nouns of the program: plain data that every other module may know.
//!
//! Nothing here does I/O, is async, or knows a provider, a file format or a terminal.

pub mod address;
pub mod change;
pub mod check;
pub mod diagnostic;
pub mod facts;
pub mod hazard;
pub mod hex;
pub mod kind;
pub mod origin;
pub mod secret;
pub mod step;
pub mod text;
pub mod units;
pub mod value;

pub use address::{Address, Pattern, ResourceId, TargetId};
pub use change::{Action, Change, Field};
pub use check::{Check, Verdict};
pub use diagnostic::{Diagnostic, Place, Severity, Sources};
pub use facts::Facts;
pub use hazard::{Approval, Hazard, HazardKind};
pub use hex::hex;
pub use kind::{Comparison, Kind, Many};
pub use origin::Origin;
pub use secret::Secret;
pub use step::{Impact, Stage, Step, StepId};
pub use value::{Attributes, Value};
