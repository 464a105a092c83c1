//! Ports: before a reload, whether somebody else has one that the file has HAProxy listen on. `haproxy -c` does not try, and a reload that
//! cannot bind has it refuse every connection for about two seconds. Where the system does not tell whose a port is, nothing is said.

use std::collections::BTreeSet;
use std::fs;

use super::cfg::Cfg;

/// The first port of the file that somebody else listens on, none of these processes.
pub fn taken(cfg: &Cfg, processes: &[u32]) -> Option<u16> {
    let listening = listening();
    let mut wanted = ports(cfg);
    wanted.retain(|port| listening.iter().any(|(found, _)| found == port));
    if wanted.is_empty() {
        return None;
    }
    let ours = processes.iter().map(|pid| sockets(*pid)).collect::<Option<Vec<_>>>()?.concat();
    let foreign =
        |port: &u16| listening.iter().filter(|(found, _)| found == port).all(|(_, inode)| !ours.contains(inode));
    wanted.into_iter().find(foreign)
}

/// The ports of all `bind` lines, each once.
fn ports(cfg: &Cfg) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    for (keyword, _, range) in cfg.sections() {
        if !["frontend", "listen"].contains(&keyword.as_str()) {
            continue;
        }
        for at in cfg.find(&range, &["bind"]) {
            let words = cfg.words(at);
            let Some(place) = words.get(1).filter(|place| !place.variable) else { continue };
            found.extend(place.text.split(',').filter_map(|one| one.rsplit_once(':')?.1.parse::<u16>().ok()));
        }
    }
    found
}

/// The ports of this machine that are listened on, with the socket's number.
fn listening() -> Vec<(u16, String)> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = columns.as_slice() else { continue };
            let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            found.extend(port.map(|port| (port, (*inode).to_owned())));
        }
    }
    found
}

/// The numbers of a process's sockets; `None` where they are not to be seen.
fn sockets(pid: u32) -> Option<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Some(
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_of_somebody_else_is_found() {
        let taken_by = |text: &str, processes: &[u32]| taken(&Cfg::parse(text), processes);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let text = format!("frontend fe\n bind 127.0.0.1:{port},:0 ssl\nbackend web\n bind 127.0.0.1:1\n");
        assert_eq!(taken_by(&text, &[]), Some(port));
        assert_eq!(taken_by(&text, &[std::process::id()]), None, "it is ours");
        assert_eq!(taken_by(&text, &[u32::MAX]), None, "whose it is is not told");
        drop(listener);
        assert_eq!(taken_by(&text, &[]), None);
    }
}
