//! The kind `query`: a query and what its plan must be like.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A query and what its plan must be like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {}
