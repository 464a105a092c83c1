//! A view as text for a terminal or a log, readable without colour.

use std::fmt::Write as _;

use super::line::{Line, Role, Side};
use super::page::{self, Page};
use super::style::Style;
use super::view::{Entry, Group, Item, Section, Topic, View};

/// The column at which a change says where it comes from.
const ASIDE: usize = 60;

/// The view as text, ending in a line break. `next` is the command that would apply it, without the flags it needs.
pub fn render(view: &View, style: Style, next: Option<&str>) -> String {
    let mut text = Text { out: String::new(), style };
    page::walk(view, &mut text);
    text.blank();
    text.closing(view, next);
    text.out
}

struct Text {
    out: String,
    style: Style,
}

impl Text {
    fn line(&mut self, indent: usize, line: &str) {
        let line = format!("{:indent$}{line}", "");
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// One empty line between two parts, none at the top.
    fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn closing(&mut self, view: &View, next: Option<&str>) {
        let role = if view.is_empty() && view.sections.is_empty() { Role::Good } else { Role::Strong };
        let mut last = self.style.paint(role, &view.headline);
        if !view.is_empty() && view.topic == Topic::Plan {
            let _ = write!(last, " Digest {}…", view.short_id());
        }
        self.line(0, &last);
        for obstacle in &view.obstacles {
            let obstacle = self.style.line(obstacle);
            self.line(0, &obstacle);
        }
        if view.is_empty() || view.topic == Topic::Drift {
            return;
        }
        let (lead, first) = match next {
            Some(command) => ("Next: ", Some(command)),
            None => ("Apply needs ", None),
        };
        let words: Vec<&str> = first.into_iter().chain(view.allow.iter().map(String::as_str)).collect();
        let length = lead.len() + words.iter().map(|word| word.chars().count() + 1).sum::<usize>();
        match words.len() {
            0 => {}
            // A shell reads the broken line as one.
            2.. if length > self.style.width => self.line(0, &format!("{lead}{}", words.join(" \\\n  "))),
            _ => self.line(0, &format!("{lead}{}", words.join(" "))),
        }
    }
}

impl Page for Text {
    fn target(&mut self, group: &Group) {
        self.blank();
        let heading = self.style.paint(Role::Strong, &group.target);
        self.line(0, &heading);
    }

    fn item(&mut self, item: &Item) {
        let mark = self.style.paint(item.action.into(), &format!("{:>3}", item.mark));
        let mut line = format!("{mark} {}", self.style.line(&item.head));
        if let Some(aside) = &item.aside {
            let used = 4 + item.head.width();
            // At its column, or as far left of it as a narrow terminal needs.
            let column = ASIDE.min(self.style.width.saturating_sub(aside.chars().count())).max(used + 2);
            line.push_str(&" ".repeat(column - used));
            line.push_str(&self.style.paint(Role::Quiet, aside));
        }
        self.line(0, &line);
    }

    fn detail(&mut self, line: &Line) {
        let text = self.style.line(line);
        match line.side {
            None => self.line(6, &text),
            Some(side) => {
                let role = match side {
                    Side::Before => Role::Delete,
                    Side::After => Role::Create,
                    Side::Both => Role::Plain,
                };
                let mark = self.style.paint(role, &side.mark().to_string());
                self.line(8, &format!("{mark} {text}"));
            }
        }
    }

    fn shared(&mut self, head: &Line) {
        let head = self.style.line(head);
        self.line(4, &head);
    }

    fn section(&mut self, section: &Section) {
        self.blank();
        let heading = self.style.paint(Role::Strong, &section.title);
        self.line(0, &heading);
    }

    fn entry(&mut self, _: &Section, entry: &Entry) {
        let line = self.style.line(&entry.line);
        self.line(2, &line);
        entry.more.iter().for_each(|line| self.detail(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;
    use crate::render::style::Colour;

    fn plain(view: &View) -> String {
        render(view, Style::default(), None)
    }

    #[test]
    fn plans_read_well() {
        let check = |name: &str, document| insta::assert_snapshot!(name, plain(&View::plan(&document)));
        check("plan_nothing", samples::nothing());
        check("plan_nothing_seen", samples::nothing_seen());
        check("plan_shop", samples::shop());
        check("plan_blocked", samples::blocked());
        check("plan_rich", samples::rich());
        check("plan_hostile", samples::hostile());
        check("plan_fleet", samples::fleet(7, 1));
    }

    #[test]
    fn drift_reads_well() {
        let check = |name: &str, document| insta::assert_snapshot!(name, plain(&View::drift(&document)));
        check("drift_nothing", samples::nothing());
        check("drift_shop", samples::shop());
        check("drift_rich", samples::rich());
    }

    #[test]
    fn the_next_command_is_ready_to_paste() {
        let text = render(&View::plan(&samples::shop()), Style::default(), Some("evenkeel apply policies/"));
        insta::assert_snapshot!(
            text.lines().last().unwrap_or_default(),
            @"Next: evenkeel apply policies/ --allow drops-index:postgres.shop.index.users_old"
        );
    }

    #[test]
    fn a_narrow_terminal_moves_what_stands_at_the_right() {
        let style = Style { width: 72, ..Style::default() };
        let text = render(&View::plan(&samples::shop()), style, None);
        let widest = text.lines().filter(|line| line.contains("policies/")).map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(72));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        for document in samples::all() {
            let view = View::plan(&document);
            let coloured = render(&view, Style { colour: Colour::Ansi, ..Style::default() }, None);
            assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain(&view));
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_gets_through() {
        let text = plain(&View::plan(&samples::hostile()));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
        assert!(!text.contains('\u{202e}'));
    }
}
