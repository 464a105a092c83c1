//! Nodes to Rust types through serde, with every problem at its place.

use serde::de::DeserializeOwned;

use super::Node;
use crate::model::Diagnostic;

/// Decodes a table node.
///
/// # Errors
/// Every problem found, each at the key or value it is about.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Vec<Diagnostic>> {
    let _ = node;
    todo!("policy")
}

/// Decodes a table node as the variant `kind` of an externally tagged enum.
///
/// # Errors
/// Every problem found, each at the key or value it is about.
pub fn decode_kind<T: DeserializeOwned>(kind: &str, node: &Node) -> Result<T, Vec<Diagnostic>> {
    let _ = (kind, node);
    todo!("policy")
}
