//! Caddy's admin endpoint: a part of the configuration read with its tag, written if it is still the one that was read. Knows no meaning of what
//! it carries.

use std::net::{IpAddr, Ipv4Addr};

use http_body_util::BodyExt;
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};

use super::place::{APPS, Part, Place, Spot, step};
use super::settings::Settings;
use super::tag::Tag;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Value, text};

/// An admin endpoint.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
    base: String,
    /// As the policy writes it.
    place: String,
    /// The machine it is on; `None` where that has a name.
    host: Option<IpAddr>,
}

/// A part of the configuration as it runs.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its JSON.
    pub text: String,
    /// Where the handler is in it.
    pub spot: Spot,
    /// Its tag; without one nothing can be written safely.
    pub tag: Option<Tag>,
}

/// Whether Caddy is to load a configuration that is the one it has: it reads the files that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Only where it differs.
    Changed,
    /// In any case.
    Anew,
}

/// What came of a write.
#[derive(Debug)]
pub enum Sent {
    /// It serves.
    Done,
    /// It is no longer what was read.
    Stale,
    /// Nobody knows.
    Lost(Error),
}

/// What the process says of itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Whether it goes on with what it ran last when it starts again; `None` where it does not tell how it was started.
    pub resumes: Option<bool>,
    /// Its version, where it was built with one.
    pub version: Option<String>,
}

impl Admin {
    /// An endpoint as the policy writes it.
    ///
    /// # Errors
    /// `Usage` where it is none.
    pub fn open(place: &str, settings: &Settings) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("`{}` is no admin endpoint", text::tame(place)))
                .hint("admin = \"http://localhost:2019\", or \"unix//run/caddy/admin.sock\"")
        };
        let socket = place.strip_prefix("unix/").map(str::to_owned);
        let base = match &socket {
            Some(_) => "http://127.0.0.1".to_owned(),
            None if place.starts_with("http://") || place.starts_with("https://") => {
                place.trim_end_matches('/').to_owned()
            }
            None => return Err(wrong()),
        };
        let url = reqwest::Url::parse(&base).map_err(|_| wrong())?;
        if url.password().is_some() || !url.username().is_empty() {
            return Err(Error::usage("caddy's admin endpoint knows no passwords").hint("leave it out of `admin`"));
        }
        let host = match url.host_str().unwrap_or_default().trim_matches(['[', ']']) {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            host => host.parse().ok(),
        };
        // The provider of the whole program; whoever was first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A write restarts the endpoint itself: no connection outlives its answer.
        let mut client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .connect_timeout(settings.connect_timeout.std())
            .timeout(settings.response_timeout.std());
        if let Some(path) = socket {
            // A socket has no name, and Caddy takes requests to no other.
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(""))]);
            client = client.unix_socket(std::path::PathBuf::from(path)).default_headers(headers);
        }
        let client = client.build().map_err(|error| Error::failed("cannot speak HTTP").because(error))?;
        Ok(Self { client, base, place: place.to_owned(), host })
    }

    /// As the policy writes it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The machine it is on; `None` where that has a name.
    pub fn host(&self) -> Option<IpAddr> {
        self.host
    }

    /// Whether it is on this machine.
    pub fn local(&self) -> bool {
        self.host.is_some_and(|host| host.is_loopback())
    }

    /// Reads the part at `url`, which holds the handler.
    ///
    /// # Errors
    /// `Unreachable`, or `Usage` where there is no such handler.
    pub async fn part(&self, place: &Place, part: Part, url: &str) -> Result<Body> {
        let (status, text, header, trailer) = self.get(url).await?;
        let missing = || {
            Error::usage(format!("caddy at `{}` has no handler at `{}`", self.place, place.url()))
                .hint("name a `reverse_proxy` handler by its `@id`, or by its path, \"apps/http/servers/web/routes/0/handle/0\"")
        };
        if status != StatusCode::OK {
            return Err(missing().because(reason(&text)));
        }
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let spot = place.locate(part, &value).ok_or_else(missing)?;
        let handler = step(&value, &spot.handler).and_then(|handler| handler.get("handler"));
        if handler.and_then(Value::as_str) != Some("reverse_proxy") {
            return Err(missing());
        }
        let told = header.is_some() || trailer.is_some();
        let expanded = if !url.starts_with("/id/") {
            Some(url.to_owned())
        } else if told {
            None
        } else {
            let (_, apps, ..) = self.get(APPS).await?;
            let apps: Value = serde_json::from_str(&apps).unwrap_or_default();
            place.locate(Part::Apps, &apps).map(|spot| spot.handler_url())
        };
        let tag = Tag::of(header.as_deref(), trailer.as_deref(), expanded.as_deref(), text.as_bytes());
        Ok(Body { text, spot, tag })
    }

    /// Replaces what is at `url`, if it is still what has this tag.
    ///
    /// # Errors
    /// `Transient` where nothing was sent, `Failed` where Caddy does not accept it: the old configuration serves on.
    pub async fn replace(&self, url: &str, tag: &Tag, load: Load, body: String) -> Result<Sent> {
        let mut request = self
            .client
            .request(Method::PATCH, format!("{}{url}", self.base))
            .header("Content-Type", "application/json")
            .header("If-Match", &tag.text)
            .body(body);
        if load == Load::Anew {
            request = request.header("Cache-Control", "must-revalidate");
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Err(self.unreachable(error, ErrorKind::Transient)),
            Err(error) => return Ok(Sent::Lost(self.unreachable(error, ErrorKind::InDoubt))),
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(Sent::Done);
        }
        if status == StatusCode::PRECONDITION_FAILED {
            return Ok(Sent::Stale);
        }
        let said = answer.text().await.unwrap_or_default();
        let kind = if status == StatusCode::FORBIDDEN { ErrorKind::Denied } else { ErrorKind::Failed };
        let why = reason(&said);
        Err(Error::new(kind, format!("caddy does not accept the configuration: {why}; the old one serves on")))
    }

    /// What the process says of itself.
    pub async fn about(&self) -> About {
        let mut about = About::default();
        if let Ok((StatusCode::OK, text, ..)) = self.get("/debug/vars").await
            && let Ok(vars) = serde_json::from_str::<Value>(&text)
            && let Some(words) = vars.get("cmdline").and_then(Value::as_array)
        {
            let word = |word: &Value| matches!(word.as_str(), Some("--resume" | "-resume" | "-r" | "--resume=true"));
            about.resumes = Some(words.iter().any(word));
        }
        if let Ok((StatusCode::OK, text, ..)) = self.get("/metrics").await {
            about.version = version(&text);
        }
        about
    }

    async fn get(&self, url: &str) -> Result<(StatusCode, String, Option<String>, Option<String>)> {
        let lost = |error| self.unreachable(error, ErrorKind::Unreachable);
        let answer: Response = self.client.get(format!("{}{url}", self.base)).send().await.map_err(lost)?;
        let status = answer.status();
        let tag = |tags: &HeaderMap| tags.get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let header = tag(answer.headers());
        // The body as it comes: what is behind it is kept, too.
        let body: reqwest::Body = answer.into();
        let body = body.collect().await.map_err(lost)?;
        let trailer = body.trailers().and_then(tag);
        let text = String::from_utf8(body.to_bytes().to_vec())
            .map_err(|error| Error::failed(format!("`{url}` of `{}` is not UTF-8", self.place)).because(error))?;
        Ok((status, text, header, trailer))
    }

    fn unreachable(&self, error: reqwest::Error, kind: ErrorKind) -> Error {
        Error::new(kind, format!("caddy's admin endpoint at `{}` does not answer", self.place))
            .because(error.without_url())
            .hint("`admin` in the global options of caddy says where it listens; it is meant for the same machine")
    }
}

/// What Caddy says of an error.
fn reason(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    text::tame(value.get("error").and_then(Value::as_str).unwrap_or("it does not say why"))
}

/// The version that a build tells in its metrics.
fn version(metrics: &str) -> Option<String> {
    let line = metrics.lines().find(|line| line.starts_with("go_build_info{"))?;
    let label = |name: &str| {
        line.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value)
    };
    let caddy = label("path").is_some_and(|path| path.starts_with("github.com/caddyserver/caddy/"));
    label("version").filter(|version| caddy && version.starts_with('v')).map(str::to_owned)
}

#[test]
fn a_version_is_read_where_a_build_has_one() {
    let line = |path: &str, version: &str| {
        format!("# HELP x\ngo_build_info{{checksum=\"\",path=\"{path}\",version=\"{version}\"}} 1\n")
    };
    assert_eq!(version(&line("github.com/caddyserver/caddy/v2", "v2.8.4")).as_deref(), Some("v2.8.4"));
    assert_eq!(version(&line("", "")), None);
    assert_eq!(version(&line("caddy", "(devel)")), None);
    assert_eq!(version(&line("other", "v1.2.3")), None);
    assert_eq!(version(""), None);
}
