//! The kind `database`: a database's limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A database's limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {}
