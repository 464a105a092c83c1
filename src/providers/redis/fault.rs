//! What Redis says when it refuses, as the program's own errors. Never repeats what was sent.

use redis::{RedisError, ServerError};

use crate::error::{Error, ErrorKind};

/// A failed request as an error of the program.
pub fn fault(error: RedisError) -> Error {
    match error.code() {
        Some(code) => refusal(code, error.detail().unwrap_or_default()),
        None if error.is_timeout() => {
            Error::new(ErrorKind::Transient, "the server did not answer in time").because(error)
        }
        None if error.is_connection_refusal() => {
            Error::new(ErrorKind::Unreachable, "the server refuses connections").because(error)
        }
        None if error.is_io_error() || error.is_connection_dropped() => {
            Error::new(ErrorKind::Transient, "the connection was cut").because(error)
        }
        None if error.kind() == redis::ErrorKind::AuthenticationFailed => {
            Error::new(ErrorKind::Denied, "the server does not accept user and password")
        }
        None => Error::failed("the server cannot be understood").because(error),
    }
}

/// An error reply as an error of the program.
pub fn reply(error: &ServerError) -> Error {
    refusal(error.code(), error.details().unwrap_or_default())
}

/// Whether what stands behind the connection is no longer what was found there: it has to be found again.
pub fn is_stale(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transient | ErrorKind::Unreachable)
}

fn refusal(code: &str, detail: &str) -> Error {
    let said = format!("{code} {detail}").trim_end().to_owned();
    match code {
        "LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" => Error::new(ErrorKind::Transient, said),
        "READONLY" => Error::new(ErrorKind::Transient, said)
            .hint("this server is a replica now; reach the primary through redis+sentinel:// or `cluster = true`"),
        "MOVED" | "ASK" => Error::new(ErrorKind::Transient, said)
            .hint("slots are moving, or this is a node of a cluster and the target needs `cluster = true`"),
        "NOPERM" | "NOAUTH" | "WRONGPASS" => {
            Error::new(ErrorKind::Denied, said).hint("`evenkeel grants redis` prints the least privileges")
        }
        "OOM" => Error::failed(said).hint("raise `maxmemory`, or choose a `maxmemory-policy` that evicts"),
        "MISCONF" | "NOREPLICAS" => Error::failed(said).hint("the server takes no writes until that is mended"),
        _ => Error::failed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_kind() {
        let check = |code: &str, expected: ErrorKind| assert_eq!(refusal(code, "words").kind(), expected, "{code}");
        check("LOADING", ErrorKind::Transient);
        check("READONLY", ErrorKind::Transient);
        check("MOVED", ErrorKind::Transient);
        check("NOPERM", ErrorKind::Denied);
        check("OOM", ErrorKind::Failed);
        check("ERR", ErrorKind::Failed);
        assert_eq!(refusal("OOM", "command not allowed").to_string(), "OOM command not allowed");
    }
}
