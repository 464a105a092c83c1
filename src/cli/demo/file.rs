//! The chapters about a configuration file in which people have written, too: a pooler's, and those of two balancers. None of the programs
//! that read these files has to be there.

use similar::{ChangeTag, TextDiff};

use super::story::Story;
use crate::cli::exit::{CHANGES, Exit, Result};
use crate::error::Error;

/// One chapter.
struct Chapter {
    /// The file.
    file: &'static str,
    /// What is in it at first.
    text: &'static str,
    /// The policy's file.
    policy: &'static str,
    /// What is in that.
    wanted: &'static str,
    /// Its headings: the file, the change, the edit.
    titles: [&'static str; 3],
    /// What is said of the file, and of the policy.
    words: [&'static str; 2],
    /// What somebody does past evenkeel: a text as it was, and as it becomes.
    edit: [&'static str; 2],
}

const CHAPTERS: [Chapter; 3] = [
    Chapter {
        file: "pgbouncer.ini",
        text: include_str!("pgbouncer.ini"),
        policy: "policies/pooler.toml",
        wanted: include_str!("pooler.toml"),
        titles: ["A pooler's file", "Changing two lines", "Somebody edits the file"],
        words: [
            "pgbouncer.ini is full of what others wrote, comments and all:\n",
            "policies/pooler.toml speaks of two of its values:\n",
        ],
        edit: ["max_client_conn = 500", "max_client_conn = 50"],
    },
    Chapter {
        file: "haproxy.cfg",
        text: include_str!("haproxy.cfg"),
        policy: "policies/haproxy.toml",
        wanted: include_str!("haproxy.toml"),
        titles: ["A balancer's file", "A node comes", "Somebody edits it, too"],
        words: [
            "HAProxy leads to the shop, and its file is edited by many hands:\n",
            "policies/haproxy.toml speaks of one backend. With a socket, what can change at run time would:\n",
        ],
        edit: ["weight 5 ", "weight 50 "],
    },
    Chapter {
        file: "nginx.conf",
        text: include_str!("nginx.conf"),
        policy: "policies/nginx.toml",
        wanted: include_str!("nginx.toml"),
        titles: ["The same words for another balancer", "Changing nginx", "And once more"],
        words: [
            "nginx serves the pictures, and says the same things otherwise:\n",
            "policies/nginx.toml uses the words that HAProxy's policy does:\n",
        ],
        edit: ["weight=3", "weight=30"],
    },
];

/// Tells all of them.
pub fn tell(story: &mut Story<'_>) -> Result<()> {
    CHAPTERS.iter().try_for_each(|chapter| chapter.tell(story))
}

impl Chapter {
    fn tell(&self, story: &mut Story<'_>) -> Result<()> {
        let Self { file, text, policy, wanted, titles: [first, second, third], words: [of_file, of_policy], edit } =
            self;
        story.scene(first);
        story.say(of_file);
        story.write(file, text)?;
        story.quote(text);
        story.say(of_policy);
        story.write(policy, wanted)?;
        story.quote(wanted);

        story.scene(second);
        story.verb(&format!("plan {policy}"), Exit::Done)?;
        story.verb(&format!("apply {policy} --yes --journal journal"), Exit::Done)?;
        story.say("These lines are different now, and no other byte is:\n");
        let after = read(story, file)?;
        story.quote(&changed_lines(text, &after));
        story.say("A second look finds nothing left to do:\n");
        story.verb(&format!("plan {policy}"), Exit::Done)?;

        story.scene(third);
        let edited = after.replace(edit[0], edit[1]);
        story.write(file, &edited)?;
        story.quote(&changed_lines(&after, &edited));
        story.verb(&format!("drift {policy}"), Exit::Changes(CHANGES))
    }
}

fn read(story: &Story<'_>, file: &str) -> Result<String> {
    let path = story.path(file);
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
        let [Chapter { text, edit, .. }, ..] = &CHAPTERS;
        let after = text.replace("max_client_conn = 100", edit[0]);
        insta::assert_snapshot!(changed_lines(text, &after), @r"
        -max_client_conn = 100
        +max_client_conn = 500
        ");
        assert_eq!(changed_lines(&after, &after), "");
    }
}
