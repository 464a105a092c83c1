//! The kind `settings`: the server's settings, through ALTER SYSTEM.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server's settings, through ALTER SYSTEM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {}
