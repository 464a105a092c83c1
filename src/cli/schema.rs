//! `evenkeel schema`: the JSON Schema with which an editor completes and validates policies.

use super::exit::Exit;
use super::world::World;
use crate::provider::policy_schema;
use crate::providers::REGISTRY;

/// Runs the verb.
pub fn run(world: &World) -> Exit {
    world.print(format!("{:#}\n", policy_schema(REGISTRY)));
    Exit::Done
}
