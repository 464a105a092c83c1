//! `evenkeel init`: a starter policy, also from a live system, and a pipeline that plans pull requests and applies what was approved.

use std::path::Path;

use super::args::{Globals, InitArgs};
use super::exit::{Exit, Result};
use super::world::World;
use super::{emit, export};
use crate::error::Error;

const POLICY: &str = include_str!("starter.toml");
const PIPELINE: &str = include_str!("github.yml");

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &InitArgs) -> Result {
    let (name, policy) = match &args.from {
        None => ("policy".to_owned(), POLICY.to_owned()),
        Some(target) => {
            let (_, name) = export::parse_target(target)?;
            (name.to_owned(), export::undeclared(world, globals, target, &args.set).await?)
        }
    };
    let files = [
        (args.dir.join("policies").join(format!("{name}.toml")), policy.as_str()),
        (args.dir.join(".github/workflows/evenkeel.yml"), PIPELINE),
    ];
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        let error = Error::usage(format!("`{}` is there already", path.display()));
        return Err(error.hint("name another folder, or move the file away; nothing was written").into());
    }
    for (path, text) in &files {
        make_folder(path.parent().unwrap_or(&args.dir))?;
        emit::write(path, text)?;
        world.say(format!("wrote {}", path.display()));
    }
    let policies = args.dir.join("policies");
    world.say(format!("next: look at it, then `evenkeel plan {}`", policies.display()));
    Ok(Exit::Done)
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::failed(format!("`{}` cannot be made: {error}", folder.display())).into())
}
