//! The kind `role`: a role's limits and settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A role's limits and settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {}
