//! A view as the comment on a pull request: what needs eyes first, details collapsed, never longer than a host accepts.
//!
//! Over its budget it says less in steps, and says that it does: a comment that was cut short is no approval.

mod details;
mod escape;
mod eyes;

use self::escape::{code, html, prose};
use super::allow;
use super::page::Depth;
use super::view::{Counts, Section, Topic, View, Weight};
use crate::model::text;

/// What a comment needs to know beside the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// What tells this comment from others on the same pull request, so that it is updated in place: `production`.
    pub key: String,
    /// The commit that was planned.
    pub commit: Option<String>,
    /// The command that would apply the plan, without the flags it needs: `evenkeel apply policies/`.
    pub next: String,
    /// The most characters that the host accepts, in UTF-16 units. Under [`Comment::LEAST`] nothing fits.
    pub budget: usize,
}

impl Comment {
    /// The least budget that is kept to.
    pub const LEAST: usize = 4_000;
}

impl Default for Comment {
    fn default() -> Self {
        Self { key: "default".into(), commit: None, next: "evenkeel apply".into(), budget: 60_000 }
    }
}

/// How much is said, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Everything,
    NoCommands,
    OnlyNames,
    SomeNames,
    OnlyTable,
    OnlyCounts,
}

impl Level {
    const ALL: [Self; 6] =
        [Self::Everything, Self::NoCommands, Self::OnlyNames, Self::SomeNames, Self::OnlyTable, Self::OnlyCounts];

    /// What is left out, for the sentence that says so.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Everything => None,
            Self::NoCommands => Some("values and commands are"),
            Self::OnlyNames => Some("values, commands and hazards in the details are"),
            Self::SomeNames => Some("values, commands, hazards and most names in the details are"),
            Self::OnlyTable => Some("the details and the longer lists are"),
            Self::OnlyCounts => Some("everything but the counts is"),
        }
    }

    fn depth(self) -> Option<Depth> {
        match self {
            Self::Everything => Some(Depth::Full),
            Self::NoCommands => Some(Depth::Hazards),
            Self::OnlyNames | Self::SomeNames => Some(Depth::Heads),
            Self::OnlyTable | Self::OnlyCounts => None,
        }
    }

    /// The most rows of the table, entries of a section, and collapsed parts.
    fn most(self) -> usize {
        match self {
            Self::Everything => usize::MAX,
            Self::NoCommands | Self::OnlyNames => 200,
            Self::SomeNames | Self::OnlyTable => 40,
            Self::OnlyCounts => 0,
        }
    }

    /// The most changes in one collapsed part.
    fn names(self) -> usize {
        if self == Self::SomeNames { 20 } else { usize::MAX }
    }
}

/// The comment, no longer than its budget.
pub fn render(view: &View, comment: &Comment) -> String {
    let fits = |text: &String| text.encode_utf16().count() <= comment.budget;
    let tried = Level::ALL.into_iter().map(|level| at(view, comment, level));
    tried.clone().find(fits).unwrap_or_else(|| at(view, comment, Level::OnlyCounts))
}

fn at(view: &View, comment: &Comment, level: Level) -> String {
    let mut blocks = vec![marker(view, comment, level), format!("### {}", prose(&view.headline))];
    if let Some(missing) = level.missing() {
        blocks.push(format!(
            "> **This comment is truncated:** {missing} left out. A truncated comment is no approval; \
             read the whole plan in the pipeline's output or with `evenkeel show plan.json`."
        ));
    }
    if level != Level::OnlyCounts {
        blocks.extend(eyes::list(view));
        blocks.extend(table(view, level));
        if let Some(depth) = level.depth() {
            blocks.extend(details::blocks(view, depth, level.names()).into_iter().take(level.most()));
        }
        // What stands in the way is in the first list already.
        let sections = view.sections.iter().filter(|section| section.weight != Weight::Bad);
        blocks.extend(sections.map(|section| findings(section, level)));
    }
    blocks.extend(closing(view, comment, level));
    blocks.join("\n\n") + "\n"
}

/// The line by which a later run finds this comment. Readers do not see it.
fn marker(view: &View, comment: &Comment, level: Level) -> String {
    let data = serde_json::json!({
        "key": escape::cut(&comment.key, 200),
        "plan": view.plan_id,
        "commit": comment.commit.as_deref().map(|commit| escape::cut(commit, 100)),
        "truncated": level != Level::Everything,
    });
    // Two hyphens would end the comment; inside a JSON string they can be written otherwise.
    format!("<!-- evenkeel:v1 {} -->", data.to_string().replace("--", "\\u002d\\u002d"))
}

fn table(view: &View, level: Level) -> Option<String> {
    if view.is_empty() {
        return None;
    }
    let blocked = view.counts.blocked > 0;
    let row = |first: &str, counts: Counts| {
        let Counts { create, update, replace, delete, blocked: stuck } = counts;
        let mut cells = vec![create, update, replace, delete];
        cells.extend(blocked.then_some(stuck));
        let cells: Vec<_> =
            cells.iter().map(|n| if *n == 0 { String::new() } else { text::thousands(*n as u64) }).collect();
        format!("| {first} | {} |", cells.join(" | "))
    };
    let mut rows =
        vec!["| Target | Create | Update | Replace | Delete |".to_owned(), "| :-- | --: | --: | --: | --: |".into()];
    if blocked {
        rows[0].push_str(" Blocked |");
        rows[1].push_str(" --: |");
    }
    let most = level.most();
    rows.extend(view.groups.iter().take(most).map(|group| row(&code(&group.target), group.counts)));
    if view.groups.len() > most {
        let rest = view.groups[most..].iter().fold(Counts::default(), |sum, group| sum.plus(group.counts));
        rows.push(row(&format!("{} more", text::count(view.groups.len() - most, "target")), rest));
    }
    if view.groups.len() > 1 {
        rows.push(row("**All**", view.counts));
    }
    Some(rows.join("\n"))
}

fn findings(section: &Section, level: Level) -> String {
    let most = level.most();
    let mut lines: Vec<_> = section.entries.iter().take(most).map(eyes::entry).collect();
    if section.entries.len() > most {
        lines.push(format!("- and {} more", text::thousands((section.entries.len() - most) as u64)));
    }
    let list = lines.join("\n");
    match section.weight {
        Weight::Remark => {
            let title = format!("{} ({})", html(&section.title), section.entries.len());
            format!("<details><summary>{title}</summary>\n\n{list}\n\n</details>")
        }
        Weight::Bad | Weight::Unknown => format!("**{}**\n\n{list}", prose(&section.title)),
    }
}

fn closing(view: &View, comment: &Comment, level: Level) -> Vec<String> {
    if view.is_empty() || view.topic == Topic::Drift {
        return Vec::new();
    }
    if level != Level::Everything {
        return vec![format!("Plan {}", code(&view.plan_id))];
    }
    if view.counts.blocked > 0 {
        let why: Vec<_> = view.obstacles.iter().map(|line| format!("{}.", prose(&line.text()))).collect();
        return vec![format!("Plan {}. {}", code(&view.plan_id), why.join(" "))];
    }
    let command = escape::fence("sh", &allow::exact(view, &comment.next).join(" \\\n  "));
    vec![format!("Plan {}. To apply exactly this, and nothing if it has changed:", code(&view.plan_id)), command]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::{Document, samples};

    fn comment(document: &Document) -> String {
        render(&View::plan(document), &Comment::default())
    }

    #[test]
    fn comments_read_well() {
        let check = |name: &str, document| insta::assert_snapshot!(name, comment(&document));
        check("nothing", samples::nothing());
        check("nothing_seen", samples::nothing_seen());
        check("shop", samples::shop());
        check("blocked", samples::blocked());
        check("rich", samples::rich());
        check("hostile", samples::hostile());
        check("fleet", samples::fleet(12, 3));
    }

    #[test]
    fn drift_is_a_comment_too() {
        insta::assert_snapshot!(render(&View::drift(&samples::shop()), &Comment::default()));
    }

    #[test]
    fn a_comment_says_less_in_steps() {
        let view = View::plan(&samples::fleet(40, 12));
        let mut shown = Vec::new();
        for budget in [60_000, 16_000, 12_000, 9_000, 4_000] {
            let text = render(&view, &Comment { budget, ..Comment::default() });
            well_formed(&text, budget);
            shown.push(format!(
                "== {budget}: {} lines\n{}",
                text.lines().count(),
                text.lines().take(5).collect::<Vec<_>>().join("\n")
            ));
        }
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_large_plan_still_names_some_changes() {
        let least = Comment { budget: Comment::LEAST, ..Comment::default() };
        let text = render(&View::plan(&samples::fleet(2, 150)), &least);
        well_formed(&text, least.budget);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_marker_cannot_be_ended_from_inside() {
        let key = "--> <script> --";
        let text = render(&View::plan(&samples::shop()), &Comment { key: key.into(), ..Comment::default() });
        let marker = text.lines().next().unwrap_or_default();
        let data =
            marker.strip_prefix("<!-- evenkeel:v1 ").and_then(|rest| rest.strip_suffix(" -->")).expect("a marker");
        assert!(!data.contains("--"), "{data}");
        let data: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
        assert_eq!(data["key"], key);
        assert_eq!(data["truncated"], false);
    }

    /// Within its budget, with every fence closed and every collapsed part balanced.
    fn well_formed(text: &str, budget: usize) {
        let length = text.encode_utf16().count();
        assert!(length <= budget, "{length} is over {budget}");
        let mut fence: Option<&str> = None;
        let mut open = 0_usize;
        for line in text.lines() {
            let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
            match fence {
                Some(opening) if ticks.len() >= opening.len() && line == ticks => fence = None,
                Some(_) => {}
                None if ticks.len() >= 3 && !line[ticks.len()..].contains('`') => fence = Some(ticks),
                None => {
                    open += line.matches("<details>").count();
                    let closed = line.matches("</details>").count();
                    assert!(closed <= open, "closed too early: {line}");
                    open -= closed;
                    assert!(!line.contains("<script") && !line.contains("<img"), "{line}");
                }
            }
        }
        assert_eq!((fence, open), (None, 0), "something is left open:\n{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_comment_is_well_formed_and_within_its_budget(
            names in prop::collection::vec(("[a-c]", ".{0,40}|[`<>/|@*~-]{0,12}|</details>|```+|-->"), 0..40),
            commands in prop::collection::vec("(.|\n){0,80}|(`{1,6}\n?){1,4}", 1..6),
            evidence in ".{0,400}",
            budget in Comment::LEAST..70_000_usize,
        ) {
            let document = samples::arbitrary(&names, &commands, &evidence);
            let view = View::plan(&document);
            well_formed(&render(&view, &Comment { budget, ..Comment::default() }), budget);
        }
    }
}
