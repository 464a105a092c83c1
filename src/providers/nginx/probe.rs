//! Asking a node whether it is well, from where evenkeel runs: nginx itself does not look before it sends requests.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::site::Answer;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many nodes are asked at once.
const ABREAST: usize = 64;

/// Asks every one of these addresses; `None` where there is nothing to ask.
pub async fn all(addresses: Vec<Option<String>>, path: Option<&str>) -> Vec<Option<Answer>> {
    let ask = |address: Option<String>| async move {
        match address {
            Some(address) => Some(one(&address, path).await),
            None => None,
        }
    };
    futures_util::stream::iter(addresses.into_iter().map(ask)).buffered(ABREAST).collect().await
}

/// Asks one address: for a connection, or for an answer to `GET path` that is no error.
pub async fn one(address: &str, path: Option<&str>) -> Answer {
    match tokio::time::timeout(PATIENCE, ask(address, path)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Sick(error.to_string()),
        Err(_) => Answer::Sick(format!("no answer within {PATIENCE:?}")),
    }
}

async fn ask(address: &str, path: Option<&str>) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let Some(path) = path else { return Ok(Answer::Well) };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: evenkeel\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.contains(&b'\n') && head.len() < 1024 {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse::<u16>().ok());
    Ok(match status {
        Some(200..=399) => Answer::Well,
        Some(status) => Answer::Sick(format!("GET {path} is answered with {status}")),
        None => Answer::Sick(format!("GET {path} is not answered in HTTP")),
    })
}
