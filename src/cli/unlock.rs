//! `evenkeel unlock`: releases a lock that a lost run left behind.

use super::args::{Globals, UnlockArgs};
use super::exit::{Exit, Failure, Result};
use super::load::{self, References};
use super::session;
use super::world::World;
use crate::provider::Depth;

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &UnlockArgs) -> Result {
    let policy = load::policy(world, globals, &args.policy, References::Resolved)?;
    let opened = session::open(&policy, globals.connect_timeout, Depth::Exact)?;
    let one = session::find(&opened, &args.target)?;
    if !args.yes {
        match world.confirm(&format!("Do you really want to release the lock of {}?", one.target.id)) {
            Some(true) => {}
            Some(false) => return Err(Failure::Refusal(Exit::Refused, "not confirmed, nothing was done".into())),
            None => {
                let text = "error: not confirmed and no terminal to ask on\nhint: add --yes".to_owned();
                return Err(Failure::Refusal(Exit::Refused, text));
            }
        }
    }
    let connection = one.driver.connect().await?;
    world.say(format!("{}: {}", one.target.id, connection.unlock().await?));
    Ok(Exit::Done)
}
