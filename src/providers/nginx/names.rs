//! Which node of the policy is which server. nginx's servers have no names: a server has the name that its comment says, `# evenkeel: server-1`,
//! or else that of its address. A node that nobody is named for is known by its address, and marked as soon as its line is edited.

use std::collections::HashSet;

use super::layout::{Layout, Server};
use crate::providers::balancer::spec;

/// A node of the policy: its name and its address.
pub type Declared = (String, Option<String>);

/// The name of every server, in their order.
pub fn assign(layout: &Layout, declared: &[Declared]) -> Vec<String> {
    let own = own(&layout.servers);
    let known: HashSet<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
    let mut names: Vec<Option<String>> =
        own.iter().map(|name| known.contains(name.as_str()).then(|| name.clone())).collect();
    for (name, address) in declared {
        if names.iter().any(|taken| taken.as_ref() == Some(name)) {
            continue;
        }
        let wanted = address.as_deref().and_then(spec::endpoint).map(|(host, port)| spec::address(host, port));
        let free = |(at, server): &(usize, &Server)| names[*at].is_none() && server.address == wanted;
        if wanted.is_some()
            && let Some((at, _)) = layout.servers.iter().enumerate().find(free)
        {
            names[at] = Some(name.clone());
        }
    }
    names.into_iter().zip(own).map(|(name, own)| name.unwrap_or(own)).collect()
}

/// The names that the servers have without a policy; no two are the same.
fn own(servers: &[Server]) -> Vec<String> {
    let mut taken = HashSet::new();
    let name = |server: &Server| {
        let address = server.address.clone().unwrap_or_else(|| server.written.clone());
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.:".contains(c) { c } else { '-' };
        let address: String = address.chars().map(plain).collect();
        // The second server of one name or one address has a number behind it.
        let first = server.mark.clone().unwrap_or(address);
        let numbered = (2..).map(|number| format!("{first}-{number}"));
        std::iter::once(first.clone()).chain(numbered).find(|name| taken.insert(name.clone())).unwrap_or(first)
    };
    servers.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::edit::Text;
    use super::*;

    #[test]
    fn servers_are_known_by_mark_or_address() {
        let check = |lines: &str, declared: &[(&str, &str)], expected: &[&str]| {
            let text = Text::new(format!("upstream web {{\n{lines}\n}}").into());
            let layout = Layout::read(&text, "web").expect("an upstream");
            let declared: Vec<Declared> = declared
                .iter()
                .map(|(name, address)| ((*name).to_owned(), Some((*address).to_owned()).filter(|a| !a.is_empty())))
                .collect();
            assert_eq!(assign(&layout, &declared), expected, "{lines}");
        };
        let two = "server 10.0.0.1:80; # evenkeel: a\nserver 10.0.0.2;";
        check(two, &[], &["a", "10.0.0.2:80"]);
        check(two, &[("b", "10.0.0.2:80")], &["a", "b"]);
        // It moves: the mark says who it is.
        check(two, &[("a", "10.0.0.9:80")], &["a", "10.0.0.2:80"]);
        // It has a new name: the address says who it is.
        check(two, &[("c", "10.0.0.1:80")], &["c", "10.0.0.2:80"]);
        // The mark is worth more than the address.
        check(two, &[("a", "10.0.0.2:80"), ("b", "10.0.0.1:80")], &["a", "10.0.0.2:80"]);
        // A name that was exported, for a server that moves.
        check(two, &[("10.0.0.2:80", "10.0.0.3:80")], &["a", "10.0.0.2:80"]);
        let same = "server 10.0.0.1:80;\nserver 10.0.0.1:80 weight=2;\nserver unix:/run/a.sock;";
        check(same, &[], &["10.0.0.1:80", "10.0.0.1:80-2", "unix:-run-a.sock"]);
        check(same, &[("x", "10.0.0.1:80"), ("y", "10.0.0.1:80")], &["x", "y", "unix:-run-a.sock"]);
        let twice = "server 10.0.0.1:80; # evenkeel: a\nserver 10.0.0.2:80; # evenkeel: a";
        check(twice, &[("a", "10.0.0.1:80")], &["a", "a-2"]);
    }
}
