//! Entity tags of the admin endpoint: a header from Caddy 2.8 on, a trailer before; where a proxy has lost the trailer, the hash that
//! Caddy up to 2.7 makes is made here.

/// Where a tag was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In the head of the answer.
    Header,
    /// Behind its body.
    Trailer,
    /// Nowhere: it was computed.
    Computed,
}

/// A tag, for `If-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// With its quotes.
    pub text: String,
    /// Where it is from.
    pub found: Found,
}

impl Tag {
    /// The tag of an answer; `url` is the expanded path that was asked for, where it is known.
    pub fn of(header: Option<&str>, trailer: Option<&str>, url: Option<&str>, body: &[u8]) -> Option<Self> {
        let tag = |text: &str, found| Self { text: text.to_owned(), found };
        header
            .map(|text| tag(text, Found::Header))
            .or_else(|| trailer.map(|text| tag(text, Found::Trailer)))
            .or_else(|| url.map(|url| tag(&compute(url, body), Found::Computed)))
    }
}

/// The tag that Caddy up to 2.7 gives to a body, which ends with a newline.
pub fn compute(url: &str, body: &[u8]) -> String {
    // FNV-1a of 32 bits.
    let hash = body.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("\"{url} {hash:08x}\"")
}

#[test]
fn the_tag_is_the_one_that_caddy_gives() {
    // Recorded from Caddy 2.6.2.
    let body = b"{\"@id\":\"lb_web\",\"handler\":\"reverse_proxy\",\"health_checks\":{\"active\":{\"interval\":1000000000,\"uri\":\"/health\"}},\
\"upstreams\":[{\"dial\":\"127.0.0.1:1\"},{\"@id\":\"n2\",\"dial\":\"127.0.0.1:2\"}]}\n";
    let url = "/config/apps/http/servers/s/routes/0/handle/0";
    let computed = compute(url, body);
    assert_eq!(computed, format!("\"{url} 8d737f25\""));
    let check = |header, trailer, expected: Option<(&str, Found)>| {
        let found = Tag::of(header, trailer, expected.map(|_| url), body);
        assert_eq!(found.as_ref().map(|tag| (tag.text.as_str(), tag.found)), expected);
    };
    check(Some("\"h\""), Some("\"t\""), Some(("\"h\"", Found::Header)));
    check(None, Some("\"t\""), Some(("\"t\"", Found::Trailer)));
    check(None, None, Some((computed.as_str(), Found::Computed)));
    check(None, None, None);
}
