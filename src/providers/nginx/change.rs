//! What the policy says, written into the file. Each function makes the text say it and touches nothing that says so already.

use super::door::Saying;
use super::edit::{Place, Text};
use super::layout::Layout;
use crate::model::units::Duration;
use crate::providers::balancer::{Algorithm, Balance, Health, Node, NodeState, Sticky};

/// What the server at `at` is to say; its line is marked with its name once it is edited.
pub fn node(text: &mut Text, at: usize, name: &str, want: &Node) {
    let before = text.clone();
    if let Some(address) = &want.address {
        text.set_word(at, 1, address);
    }
    if let Some(weight) = want.weight {
        // One is what nginx takes where nothing is said.
        let said = text.at(at).is_some_and(|s| s.arguments().any(|word| word.starts_with("weight=")));
        if weight != 1 || said {
            text.set_parameter(at, "weight", Some(&weight.to_string()));
        }
    }
    let set = |text: &mut Text, flag: &str, on: &[NodeState]| match want.state {
        Some(state) if on.contains(&state) => text.set_flag(at, flag),
        Some(_) => text.unset_flag(at, flag),
        None => {}
    };
    set(text, "down", &[NodeState::Maintenance]);
    set(text, "drain", &[NodeState::Drain]);
    if *text != before {
        text.set_mark(at, name);
    }
}

/// A server that is not there yet, behind the last one; says what the others agree in.
pub fn add(text: &mut Text, layout: &Layout, name: &str, want: &Node) {
    let address = want.address.clone().unwrap_or_default();
    let mut words = vec!["server".to_owned(), address];
    words.extend(want.weight.filter(|weight| *weight != 1).map(|weight| format!("weight={weight}")));
    let limit = layout.common(|server| server.limit).unwrap_or_default();
    let fails = layout.common(|server| server.fails).unwrap_or(1);
    let pause = layout.common(|server| server.pause);
    words.extend((limit != 0).then(|| format!("max_conns={limit}")));
    words.extend((fails != 1).then(|| format!("max_fails={fails}")));
    words.extend(pause.filter(|pause| *pause != Duration::from_secs(10)).map(|pause| format!("fail_timeout={pause}")));
    match want.state {
        Some(NodeState::Maintenance) => words.push("down".into()),
        Some(NodeState::Drain) => words.push("drain".into()),
        Some(NodeState::Ready) | None => {}
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let place = layout.servers.last().map_or(Place::First(layout.block), |last| Place::Behind(last.at));
    text.insert(place, &words, Some(name));
}

/// The method. It stands first: nginx forgets a `keepalive` before it.
pub fn balance(text: &mut Text, layout: &Layout, want: &Balance) {
    let words: &[&str] = match want.algorithm {
        None => return,
        Some(Algorithm::RoundRobin | Algorithm::Weighted) => &[],
        Some(Algorithm::LeastConnections) => &["least_conn"],
        Some(Algorithm::IpHash) => &["hash", "$remote_addr", "consistent"],
        Some(Algorithm::Random) => &["random"],
    };
    match (layout.methods.as_slice(), words) {
        (all, []) => all.iter().rev().for_each(|at| text.remove(*at)),
        ([], words) => text.insert(Place::First(layout.block), words, None),
        ([.., last], words) => text.set_words(*last, words),
    }
}

/// After how many failures a server is left alone.
pub fn health(text: &mut Text, layout: &Layout, want: &Health) {
    let fails = match (want.enabled, want.unhealthy_threshold) {
        (Some(false), _) => Some(0),
        (_, Some(threshold)) => Some(threshold),
        // One is what nginx takes where nothing is said.
        (Some(true), None) if layout.servers.iter().any(|server| server.fails == 0) => Some(1),
        _ => None,
    };
    if let Some(fails) = fails {
        parameter(text, layout, "max_fails", fails, |server| server.fails);
    }
}

/// How many connections each server gets.
pub fn limit(text: &mut Text, layout: &Layout, limit: u32) {
    parameter(text, layout, "max_conns", limit, |server| server.limit);
}

fn parameter(text: &mut Text, layout: &Layout, key: &str, want: u32, of: impl Fn(&super::layout::Server) -> u32) {
    for server in layout.servers.iter().filter(|server| of(server) != want) {
        text.set_parameter(server.at, key, Some(&want.to_string()));
    }
}

/// How many idle connections each worker keeps.
pub fn keepalive(text: &mut Text, layout: &Layout, kept: u64) {
    match layout.keepalive {
        Some((at, _)) => text.set_word(at, 1, &kept.to_string()),
        None => last(text, layout, &["keepalive", &kept.to_string()]),
    }
}

/// For how long.
pub fn keepalive_timeout(text: &mut Text, layout: &Layout, time: Duration) {
    match layout.keepalive_timeout {
        Some((at, there)) if there != time => text.set_word(at, 1, &time.to_string()),
        Some(_) => {}
        None => last(text, layout, &["keepalive_timeout", &time.to_string()]),
    }
}

/// The cookie that binds clients. What else is said of it stays.
pub fn sticky(text: &mut Text, layout: &Layout, want: &Sticky) {
    match &layout.sticky {
        Some((at, _)) => {
            if let Some(cookie) = &want.cookie {
                text.set_word(*at, 2, cookie);
            }
            if let Some(ttl) = want.ttl {
                text.set_parameter(*at, "expires", Some(&ttl.to_string()));
            }
        }
        None => {
            let Some(cookie) = &want.cookie else { return };
            let expires = want.ttl.map(|ttl| format!("expires={ttl}"));
            let words: Vec<&str> = ["sticky", "cookie", cookie].into_iter().chain(expires.as_deref()).collect();
            last(text, layout, &words);
        }
    }
}

/// What a `server` block says of TLS: the last statement of that name is exchanged, or one comes behind its likes.
pub fn tls(text: &mut Text, nth: usize, sayings: &[Saying]) {
    for Saying { attribute: _, words } in sayings {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let blocks = text.tree().statements.iter().enumerate();
        let mut blocks = blocks.filter(|(_, s)| s.name() == "server" && s.body.is_some()).map(|(at, _)| at);
        let Some(block) = blocks.nth(nth) else { return };
        let children = || text.tree().children(Some(block));
        let own = children().filter(|(_, s)| words.first() == Some(&s.name())).last().map(|(at, _)| at);
        let like =
            |s: &super::tree::Statement| s.name().starts_with("ssl_") || ["listen", "server_name"].contains(&s.name());
        let behind = children().filter(|(_, s)| like(s)).last().map(|(at, _)| at);
        match own {
            Some(at) => text.set_words(at, &words),
            None => text.insert(behind.map_or(Place::First(block), Place::Behind), &words, None),
        }
    }
}

/// Adds a statement at the end of the upstream.
fn last(text: &mut Text, layout: &Layout, words: &[&str]) {
    let behind = text.tree().children(Some(layout.block)).last().map(|(at, _)| at);
    text.insert(behind.map_or(Place::First(layout.block), Place::Behind), words, None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_of_newer_versions_is_written_and_read() {
        let check = |before: &str, want: &Sticky, after: &str| {
            let mut text = Text::new(before.into());
            let layout = Layout::read(&text, "web").expect("an upstream");
            sticky(&mut text, &layout, want);
            assert_eq!(String::from_utf8_lossy(text.bytes()), after);
            let found = Layout::read(&text, "web").expect("an upstream").sticky.expect("a cookie").1;
            assert_eq!(&found, want);
        };
        let hour = Sticky { cookie: Some("srv".into()), ttl: Some(Duration::from_secs(3600)) };
        let plain = Sticky { cookie: Some("srv".into()), ttl: None };
        check(
            "upstream web {\n  server a;\n}",
            &hour,
            "upstream web {\n  server a;\n  sticky cookie srv expires=1h;\n}",
        );
        check("upstream web { server a; }", &plain, "upstream web { server a; sticky cookie srv; }");
        let before = "upstream web { server a; sticky cookie id domain=.x path=/; }";
        check(before, &hour, "upstream web { server a; sticky cookie srv domain=.x path=/ expires=1h; }");
    }

    #[test]
    fn only_what_is_said_of_tls_changes() {
        let before = "server { listen 80; }\nserver {\n  listen 443 ssl; # x\n  ssl_protocols TLSv1;\n\n  location / { proxy_pass http://web; }\n}\n";
        let mut text = Text::new(before.into());
        let saying =
            |words: &[&str]| Saying { attribute: "tls", words: words.iter().map(ToString::to_string).collect() };
        tls(&mut text, 1, &[saying(&["ssl_protocols", "TLSv1.2", "TLSv1.3"]), saying(&["ssl_ciphers", "A:B"])]);
        let after = before.replace("ssl_protocols TLSv1;", "ssl_protocols TLSv1.2 TLSv1.3;\n  ssl_ciphers A:B;");
        assert_eq!(String::from_utf8_lossy(text.bytes()), after);
    }
}
