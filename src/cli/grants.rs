//! `evenkeel grants`: the least privileges a provider needs, ready to paste.

use super::args::GrantsArgs;
use super::exit::{Exit, Result};
use super::world::World;
use crate::error::Error;
use crate::model::text;
use crate::provider::Descriptor;
use crate::providers::REGISTRY;

/// Runs the verb.
pub fn run(world: &World, args: &GrantsArgs) -> Result {
    let descriptor = provider(&args.provider)?;
    let names = [("{role}", &args.role), ("{database}", &args.database), ("{table_owner}", &args.table_owner)];
    let fill =
        |grants: &str| names.iter().fold(grants.trim().to_owned(), |text, (name, value)| text.replace(name, value));
    world.print(format!("{}\n", fill(descriptor.grants.plan)));
    if args.verb == "apply" {
        world.print(format!("\n{}\n", fill(descriptor.grants.apply)));
    }
    Ok(Exit::Done)
}

/// The provider of a name.
pub fn provider(name: &str) -> Result<&'static Descriptor> {
    REGISTRY.iter().find(|descriptor| descriptor.name == name).ok_or_else(|| {
        let names = || REGISTRY.iter().map(|descriptor| descriptor.name);
        let error = Error::usage(format!("there is no provider `{name}`"));
        match text::nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")).into(),
            None => error.hint(format!("it is one of {}", text::either(names()))).into(),
        }
    })
}
