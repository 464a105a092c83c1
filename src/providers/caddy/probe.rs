//! How nodes are, asked from here: Caddy's own word for it is late, and loses nodes over reloads.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;

use super::pool::Check;
use crate::error::{Error, Result};
use crate::provider::Progress;
use crate::providers::balancer::spec;

/// How nodes were found, by address: `None` is well, or else why not.
pub type Found = BTreeMap<String, Option<String>>;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// What a look takes at most; a plan does not wait longer for a node.
const LOOK: Duration = Duration::from_secs(5);

/// Asks all of these addresses at once.
pub async fn all(check: &Check, addresses: impl IntoIterator<Item = String>) -> Found {
    let client = client(check);
    let each = addresses.into_iter().map(|address| {
        let client = &client;
        async move {
            let why = one(client.as_ref(), check, &address).await.err();
            (address, why)
        }
    });
    join_all(each).await.into_iter().collect()
}

/// Waits until all of these addresses are well.
///
/// # Errors
/// `Failed`, with what each said last, when one is not within `limit`.
pub async fn wait(check: &Check, addresses: &[String], limit: Duration, progress: &Progress) -> Result<()> {
    let looks = (limit.as_millis() / PAUSE.as_millis()).max(1);
    let over = tokio::time::sleep(limit);
    tokio::pin!(over);
    let mut sick = addresses.to_vec();
    let mut last = String::from("no answer yet");
    for look in 0..looks {
        progress.tell(
            "waiting for new nodes to be healthy",
            u64::try_from(addresses.len() - sick.len()).unwrap_or(0),
            0,
        );
        let found = tokio::select! {
            found = all(check, sick.iter().cloned()) => found,
            () = &mut over => break,
        };
        let ill: Vec<_> = found.iter().filter_map(|(address, why)| Some((address, why.as_ref()?))).collect();
        let Some((address, why)) = ill.first() else { return Ok(()) };
        last = format!("`{address}`: {why}");
        sick = ill.into_iter().map(|(address, _)| address.clone()).collect();
        if look + 1 < looks {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let limit = crate::model::units::Duration::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    Err(Error::failed(format!("not healthy within {limit}, {last}; nothing was written"))
        .hint("bring the node up, or give it more time with `health_timeout`"))
}

fn client(check: &Check) -> Option<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    check.uri.as_ref()?;
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
    client.timeout(check.timeout.std().min(LOOK)).build().ok()
}

async fn one(client: Option<&Client>, check: &Check, address: &str) -> std::result::Result<(), String> {
    let place = match (check.port, spec::endpoint(address)) {
        (Some(port), Some((host, _))) => spec::address(host, port),
        _ => address.to_owned(),
    };
    let (Some(client), Some(uri)) = (client, &check.uri) else {
        let connect = tokio::net::TcpStream::connect(&place);
        return match tokio::time::timeout(check.timeout.std().min(LOOK), connect).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no connection in time".into()),
        };
    };
    let mut request = client.get(format!("http://{place}{uri}"));
    for (name, value) in &check.headers {
        request = request.header(name, value);
    }
    let status = match request.send().await {
        Ok(answer) => u64::from(answer.status().as_u16()),
        Err(error) if error.is_timeout() => return Err("no answer in time".into()),
        Err(error) if error.is_connect() => return Err("no connection".into()),
        Err(_) => return Err("no answer".into()),
    };
    let well = match check.status {
        0 => (200..400).contains(&status),
        class @ 1..=9 => status / 100 == class,
        exact => status == exact,
    };
    if well { Ok(()) } else { Err(format!("its check answers {status}")) }
}
