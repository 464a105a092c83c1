//! Ciphers: the policy has OpenSSL's names, Caddy those of the standard. It takes no groups of them, and goes by an order of its own.

/// Both names of what Caddy can be told, the best first.
const CIPHERS: &[(&str, &str)] = &[
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-ECDSA-AES256-SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    ("ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    ("ECDHE-ECDSA-AES128-SHA", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    ("ECDHE-RSA-AES128-SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ("AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    ("AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    ("AES256-SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"),
    ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
];

/// How many of them, from the first on, Caddy speaks where nothing is said.
const DEFAULT: usize = 6;

/// The names in the one order that means something here, each once.
pub fn sorted(text: &str) -> String {
    let mut names: Vec<&str> = text.split(':').collect();
    names.sort_by_key(|name| (CIPHERS.iter().position(|(known, _)| known == name).unwrap_or(CIPHERS.len()), *name));
    names.dedup();
    names.join(":")
}

/// Caddy's list in the policy's words; what has no name there keeps Caddy's.
pub fn read<'a>(suites: impl IntoIterator<Item = &'a str>) -> String {
    let name = |suite: &'a str| CIPHERS.iter().find(|(_, own)| *own == suite).map_or(suite, |(name, _)| name);
    let names: Vec<&str> = suites.into_iter().map(name).collect();
    match names.as_slice() {
        [] => CIPHERS.iter().take(DEFAULT).map(|(name, _)| *name).collect::<Vec<_>>().join(":"),
        names => sorted(&names.join(":")),
    }
}

/// The policy's list in Caddy's words, as far as there are such.
pub fn write(text: &str) -> Vec<&'static str> {
    let names: Vec<&str> = text.split(':').collect();
    CIPHERS.iter().filter(|(name, _)| names.contains(name)).map(|(_, own)| *own).collect()
}

/// What Caddy cannot be told, with what to type instead.
pub fn fault(text: &str) -> Option<(String, String)> {
    let name = text.split(':').find(|name| CIPHERS.iter().all(|(known, _)| known != name))?;
    if name.starts_with("TLS_") {
        let message = format!("caddy has no choice among the ciphers of TLS 1.3, and `{name}` is one");
        return Some((message, "leave those that begin with `TLS_` out: all of TLS 1.3 are spoken".into()));
    }
    let names: Vec<&str> = CIPHERS.iter().take(DEFAULT).map(|(name, _)| *name).collect();
    Some((format!("caddy has no cipher `{name}`"), format!("name some of `{}`", names.join(":"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_one_cipher_and_the_order_means_nothing() {
        let check = |text: &str, own: &[&str]| {
            assert_eq!(write(text), own);
            assert_eq!(read(own.iter().copied()), sorted(text));
        };
        check("ECDHE-RSA-AES128-GCM-SHA256", &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        check(
            "AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384",
            &["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_CBC_SHA"],
        );
        assert_eq!(read(["TLS_NEW"]), "TLS_NEW");
        assert_eq!(read([]).split(':').count(), DEFAULT);
    }

    #[test]
    fn what_caddy_cannot_be_told_is_named() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(fault(text).map(|(message, _)| message).as_deref(), expected, "{text}");
        };
        check("ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA", None);
        check("HIGH:!aNULL", Some("caddy has no cipher `HIGH`"));
        check(
            "TLS_AES_128_GCM_SHA256",
            Some("caddy has no choice among the ciphers of TLS 1.3, and `TLS_AES_128_GCM_SHA256` is one"),
        );
    }
}
