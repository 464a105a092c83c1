//! How a Redis is reached: the target's settings, and what its address stands for. Opens no connection.

use std::path::PathBuf;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::model::Secret;
use crate::model::units::Duration;

/// How to reach one Redis, a cluster, or the primary that sentinels name, and how gently to treat it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `redis://[user[:password]@]host[:port][/db]`, `rediss://…` (TLS, verified), `redis+unix:///path`, or
    /// `redis+sentinel://[user[:password]@]host[:port],…/master[/db]`.
    pub url: Secret,
    /// The ACL user, where the URL does not name one.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password, where the URL does not hold one.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The password of the sentinels themselves.
    #[serde(default)]
    pub sentinel_password: Option<Secret>,
    /// A PEM file with the certificate authority to trust instead of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the URL leads to a Redis Cluster.
    #[serde(default)]
    pub cluster: bool,
    /// What a passing client may wait while keys are looked through: pages shrink and pauses grow to stay below it. Default 2 ms.
    #[serde(default = "two_millis")]
    pub max_latency: Duration,
    /// Plans look at about this many keys instead of all, and say how sure they are. Applying looks at all of them.
    #[serde(default)]
    pub sample: Option<u64>,
    /// Whether settings are written back to the server's configuration file.
    #[serde(default)]
    pub persist: Persist,
}

/// Whether settings outlive a restart of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Persist {
    /// With CONFIG REWRITE, where the server was started with a file.
    #[default]
    Rewrite,
    /// They hold until the next restart.
    None,
}

fn two_millis() -> Duration {
    Duration::from_millis(2)
}

/// Where to connect.
#[derive(Clone, Debug)]
pub enum Route {
    /// The server itself, or any node of a cluster.
    Direct(ConnectionInfo),
    /// The primary of this name, as the sentinels know it.
    Sentinel {
        /// The sentinels, to be asked in this order.
        sentinels: Vec<ConnectionInfo>,
        /// The name they give the primary.
        master: String,
        /// The primary, but for its address.
        primary: ConnectionInfo,
    },
}

impl Settings {
    /// What the URL stands for.
    ///
    /// # Errors
    /// `Usage` for a URL that makes no sense; the message never repeats it, as it may hold a password.
    pub fn route(&self) -> Result<Route> {
        let url = self.url.expose();
        for (scheme, plain) in [("redis+sentinel://", "redis"), ("rediss+sentinel://", "rediss")] {
            if let Some(rest) = url.strip_prefix(scheme) {
                return self.sentinel_route(rest, plain);
            }
        }
        Ok(Route::Direct(self.identified(parse(url)?)))
    }

    /// What tells this Redis from every other. A Redis has no name of its own that outlives a restart (its run id is new with every
    /// start, its replication id with every failover), so this is the address as the policy gives it, without user and password.
    ///
    /// # Errors
    /// As [`Settings::route`].
    pub fn identity(&self) -> Result<String> {
        let spot = |info: &ConnectionInfo| format!("{}/{}", info.addr(), info.redis_settings().db());
        Ok(match self.route()? {
            Route::Direct(info) if self.cluster => format!("redis-cluster:{}", info.addr()),
            Route::Direct(info) => format!("redis:{}", spot(&info)),
            Route::Sentinel { sentinels, master, primary } => {
                let mut known: Vec<_> = sentinels.iter().map(|info| info.addr().to_string()).collect();
                known.sort();
                format!("redis-sentinel:{}/{master}/{}", known.join(","), primary.redis_settings().db())
            }
        })
    }

    /// A client of `info`, trusting whom the settings say.
    ///
    /// # Errors
    /// `Usage` where the certificate authority cannot be read.
    pub fn client(&self, info: ConnectionInfo) -> Result<Client> {
        let unusable = |error: redis::RedisError| Error::usage("the connection cannot be set up").because(error);
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Client::open(info).map_err(unusable);
        }
        // Somebody else in the process may have installed one: either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match &self.ca {
            None => Client::open(info).map_err(unusable),
            Some(path) => {
                let root_cert = std::fs::read(path)
                    .map_err(|error| Error::usage(format!("`ca` {} cannot be read: {error}", path.display())))?;
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
                    .map_err(unusable)
            }
        }
    }

    fn sentinel_route(&self, rest: &str, scheme: &str) -> Result<Route> {
        let wrong = || {
            Error::usage("`url` names no sentinels and primary")
                .hint("write it as redis+sentinel://user:password@host:26379,host:26379/mymaster/0")
        };
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let mut parts = rest.splitn(3, '/');
        let hosts = parts.next().filter(|hosts| !hosts.is_empty()).ok_or_else(wrong)?;
        let master = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
        let db = parts.next().unwrap_or("0");
        let mut sentinels = Vec::new();
        for host in hosts.split(',') {
            let host = if host.contains(':') { host.to_owned() } else { format!("{host}:26379") };
            let info = parse(&format!("{scheme}://{host}"))?;
            let mut login = RedisConnectionInfo::default();
            if let Some(password) = &self.sentinel_password {
                login = login.set_password(password.expose());
            }
            sentinels.push(info.set_redis_settings(login));
        }
        let login = login.map(|login| format!("{login}@")).unwrap_or_default();
        let primary = self.identified(parse(&format!("{scheme}://{login}unknown/{db}"))?);
        Ok(Route::Sentinel { sentinels, master: master.to_owned(), primary })
    }

    /// With user and password of the settings, where the URL has none.
    fn identified(&self, info: ConnectionInfo) -> ConnectionInfo {
        let mut login = info.redis_settings().clone();
        if let (None, Some(username)) = (login.username(), &self.username) {
            login = login.set_username(username);
        }
        if let (None, Some(password)) = (login.password(), &self.password) {
            login = login.set_password(password.expose());
        }
        info.set_redis_settings(login)
    }
}

fn parse(url: &str) -> Result<ConnectionInfo> {
    // The library's own message may repeat the URL.
    url.into_connection_info().map_err(|_| {
        Error::new(ErrorKind::Usage, "`url` is no Redis address").hint(
            "write it as redis://host:6379/0, rediss://…, redis+unix:///path or redis+sentinel://host,host/master",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, cluster: bool, expected: &str) {
        let settings = serde_json::json!({ "url": url, "cluster": cluster, "password": "hunter2" });
        let settings: Settings = serde_json::from_value(settings).expect("decodes");
        let found = settings.identity().unwrap_or_else(|error| error.to_string());
        assert_eq!(found, expected);
        assert!(!format!("{settings:?} {found}").contains("hunter"), "{settings:?}");
    }

    #[test]
    fn an_address_is_an_identity_without_a_secret() {
        check("redis://cache:6380/2", false, "redis:cache:6380/2");
        check("redis://app:hunter3@cache", false, "redis:cache:6379/0");
        check("rediss://cache:6380", true, "redis-cluster:cache:6380");
        check("redis+unix:///run/redis.sock", false, "redis:/run/redis.sock/0");
        check("redis+sentinel://app:hunter3@b,a:26380/main/1", false, "redis-sentinel:a:26380,b:26379/main/1");
        check("redis+sentinel://a", false, "`url` names no sentinels and primary");
        check("http://hunter3@cache", false, "`url` is no Redis address");
    }
}
