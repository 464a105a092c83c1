//! The best loop that a hand could write for one TTL rule on one server: SCAN, a pipeline of PTTL, and PEXPIRE LT for what breaks the rule,
//! with the next page asked for while the last one is worked on. No pacing, no plan, no guard. `benches/compare/redis.sh` races it.
//!
//! usage: `enforce_loop redis://127.0.0.1:6379 session:* MAX_MILLIS`

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

use redis::aio::MultiplexedConnection;

const PAGE: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, pattern, max] = args.as_slice() else { return Err("usage: enforce_loop URL PATTERN MAX_MILLIS".into()) };
    let max: i64 = max.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(url, pattern, max))
}

async fn run(url: &str, pattern: &str, max: i64) -> Result<(), Box<dyn Error>> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(std::time::Duration::from_secs(30)));
    let link = redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?;
    let (mut cursor, mut keys) = page(link.clone(), 0, pattern).await?;
    while cursor != 0 {
        let (next, mended) = tokio::join!(page(link.clone(), cursor, pattern), mend(link.clone(), keys, max));
        mended?;
        (cursor, keys) = next?;
    }
    Ok(mend(link, keys, max).await?)
}

async fn page(mut link: MultiplexedConnection, cursor: u64, pattern: &str) -> redis::RedisResult<(u64, Vec<Vec<u8>>)> {
    redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE).query_async(&mut link).await
}

async fn mend(mut link: MultiplexedConnection, keys: Vec<Vec<u8>>, max: i64) -> redis::RedisResult<()> {
    let mut ask = redis::Pipeline::with_capacity(keys.len());
    for key in &keys {
        ask.cmd("PTTL").arg(key);
    }
    let expiries: Vec<i64> = ask.query_async(&mut link).await?;
    let mut mend = redis::Pipeline::new();
    for (key, expiry) in keys.iter().zip(expiries) {
        if expiry == -1 || expiry > max {
            // Spread over the last tenth, as the rule beside it does.
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            let spread = i64::try_from(hasher.finish() >> 1).unwrap_or(0) % (max / 10 + 1);
            mend.cmd("PEXPIRE").arg(key).arg(max - spread).arg("LT").ignore();
        }
    }
    if mend.is_empty() { Ok(()) } else { mend.exec_async(&mut link).await }
}
