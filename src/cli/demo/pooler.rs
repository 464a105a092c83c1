//! The second chapter: the configuration file of a pooler, in which people have written, too.

use similar::{ChangeTag, TextDiff};

use super::story::Story;
use crate::cli::exit::{CHANGES, Exit, Result};
use crate::error::Error;

const POLICY: &str = include_str!("pooler.toml");
const FILE: &str = "pgbouncer.ini";
const BEFORE: &str = include_str!("pgbouncer.ini");

/// What somebody does past evenkeel: a value as it was, and as it becomes.
const EDIT: [&str; 2] = ["max_client_conn = 500", "max_client_conn = 50"];

/// Tells the chapter.
pub fn tell(story: &mut Story<'_>) -> Result<()> {
    story.scene("A pooler's file");
    story.say("pgbouncer.ini is full of what others wrote, comments and all:\n");
    story.write(FILE, BEFORE)?;
    story.quote(BEFORE);
    story.say("policies/pooler.toml speaks of two of its values:\n");
    story.write("policies/pooler.toml", POLICY)?;
    story.quote(POLICY);

    story.scene("Changing two lines");
    story.verb("plan --only pgbouncer.pooler.settings", Exit::Done)?;
    story.verb("apply --only pgbouncer.pooler.settings --yes --journal journal", Exit::Done)?;
    story.say("These lines are different now, and no other byte is:\n");
    let after = read(story)?;
    story.quote(&changed_lines(BEFORE, &after));

    story.scene("Somebody edits the file");
    let edited = after.replace(EDIT[0], EDIT[1]);
    story.write(FILE, &edited)?;
    story.quote(&changed_lines(&after, &edited));
    story.verb("drift --only pgbouncer.pooler.settings", Exit::Changes(CHANGES))?;
    Ok(())
}

fn read(story: &Story<'_>) -> Result<String> {
    let path = story.path(FILE);
    let text = std::fs::read_to_string(&path);
    Ok(text.map_err(|error| Error::failed(format!("`{}` cannot be read: {error}", path.display())))?)
}

/// The lines that differ, `-` before those that go and `+` before those that come.
fn changed_lines(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let lines = diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    lines.map(|change| format!("{}{}", change.tag(), change.value())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_shown() {
        let after = BEFORE.replace("max_client_conn = 100", EDIT[0]);
        insta::assert_snapshot!(changed_lines(BEFORE, &after), @r"
        -max_client_conn = 100
        +max_client_conn = 500
        ");
        assert_eq!(changed_lines(&after, &after), "");
    }
}
