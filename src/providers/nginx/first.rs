//! Default servers: of the blocks that share an address, the one whose versions of TLS hold for all of them, since a client says which name it
//! asks for only after the version is settled. Does no I/O.

use std::collections::BTreeMap;

use super::tree::Statement;
use super::whole::{Spot, Whole};

/// The default server of every address that is listened on: the one that says so, or else the first.
pub fn of(whole: &Whole) -> BTreeMap<String, Spot> {
    let mut found: BTreeMap<String, (bool, Spot)> = BTreeMap::new();
    for spot in whole.ordered("server") {
        for listen in whole.said(&spot, "listen").iter().filter_map(|at| whole.at(at)) {
            let Some(address) = listen.argument() else { continue };
            let says = says(listen);
            if found.get(&socket(address)).is_none_or(|(said, _)| says && !said) {
                found.insert(socket(address), (says, spot.clone()));
            }
        }
    }
    found.into_iter().map(|(address, (_, spot))| (address, spot)).collect()
}

/// Whether a `listen` says that its block is the default server of the address.
pub fn says(listen: &Statement) -> bool {
    listen.arguments().skip(1).any(|word| ["default_server", "default"].contains(&word))
}

/// An address in one form: `443`, `*:443` and `0.0.0.0:443` are one.
pub fn socket(listen: &str) -> String {
    let text = listen.strip_prefix("0.0.0.0:").or_else(|| listen.strip_prefix("*:")).unwrap_or(listen);
    match text.parse::<u16>() {
        Ok(port) => format!("*:{port}"),
        Err(_) if text.contains(':') && !text.ends_with(']') => text.replace("localhost:", "127.0.0.1:"),
        Err(_) => format!("{}:80", text.replace("localhost", "127.0.0.1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let check = |listen: &str, expected: &str| assert_eq!(socket(listen), expected, "{listen}");
        check("443", "*:443");
        check("*:443", "*:443");
        check("0.0.0.0:443", "*:443");
        check("localhost:443", "127.0.0.1:443");
        check("10.0.0.5", "10.0.0.5:80");
        check("[::1]", "[::1]:80");
        check("[::]:443", "[::]:443");
        check("unix:/run/x", "unix:/run/x");
    }
}
