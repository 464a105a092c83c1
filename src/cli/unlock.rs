//! `evenkeel unlock`: releases a lock that a lost run left behind.

use super::args::{Globals, UnlockArgs};
use super::exit::{Exit, Failure, Result};
use super::load::{self, References};
use super::session;
use super::world::World;
use crate::error::Error;
use crate::model::text;

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &UnlockArgs) -> Result {
    let policy = load::policy(world, globals, &args.policy, References::Resolved)?;
    let opened = session::open(&policy, globals.connect_timeout)?;
    let Some(one) = opened.iter().find(|one| one.target.id.to_string() == args.target) else {
        let names: Vec<_> = opened.iter().map(|one| one.target.id.to_string()).collect();
        let error = Error::usage(format!("the policy has no target `{}`", args.target));
        return Err(error.hint(format!("it is one of {}", text::either(&names))).into());
    };
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
