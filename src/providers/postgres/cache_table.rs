//! The kind `cache_table`: a table that serves as the database level of a cache.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table that serves as the database level of a cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheTable {}
