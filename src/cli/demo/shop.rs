//! The first chapter: the SQLite database of a shop, with queries that have become slow.

use std::path::Path;
use std::time::{Duration, Instant};

use super::story::Story;
use crate::cli::exit::{CHANGES, Exit, Result};
use crate::error::Error;
use crate::providers::sqlite::Database;

const POLICY: &str = include_str!("shop.toml");

/// The same rows every time: the numbers come from a congruence, not from chance.
const SHOP: &str = "
pragma journal_mode = wal;
pragma synchronous = off;
begin;
create table customers (id integer primary key, email text not null, name text not null, city text not null);
create table products (id integer primary key, name text not null, price integer not null);
create table orders (
  id integer primary key,
  customer_id integer not null references customers (id),
  product_id integer not null references products (id),
  state text not null,
  total integer not null,
  placed_at text not null
);
with recursive s(n) as (select 1 union all select n + 1 from s where n < 5000)
insert into customers select n, 'User' || n || '@example.com', 'Customer ' || n, 'City ' || (n * 7919 % 97) from s;
with recursive s(n) as (select 1 union all select n + 1 from s where n < 800)
insert into products select n, 'Product ' || n, 100 + n * 7919 % 9901 from s;
with recursive s(n) as (select 1 union all select n + 1 from s where n < 60000)
insert into orders select n, 1 + n * 7919 % 5000, 1 + n * 104729 % 800,
  case when n % 200 = 0 then 'unpaid' when n % 50 = 0 then 'open' else 'shipped' end,
  500 + n * 7919 % 20011, datetime('2026-01-01', '+' || (n * 5) || ' minutes') from s;
create index customers_by_email on customers (email);
create index orders_by_state on orders (state);
create index products_by_price on products (price);
analyze;
commit;
";

/// What somebody does past evenkeel.
const EDIT: &str = "drop index orders_by_customer; create index orders_by_customer on orders (customer_id)";

/// A query that people wait for.
struct Query {
    what: &'static str,
    sql: &'static str,
    value: fn(u32) -> String,
}

const QUERIES: [Query; 3] = [
    Query {
        what: "order history of a customer",
        sql: "select id, state, total from orders where customer_id = ?1 order by placed_at desc limit 20",
        value: |n| (1 + n * 37 % 5000).to_string(),
    },
    Query {
        what: "login by address",
        sql: "select id, name from customers where lower(email) = ?1",
        value: |n| format!("user{}@example.com", 1 + n * 37 % 5000),
    },
    Query {
        what: "orders that still wait",
        sql: "select id, state, total from orders where state != 'shipped' and placed_at > ?1 order by placed_at limit 20",
        value: |n| format!("2026-0{}-01 00:00:00", 1 + n % 6),
    },
];

/// How often a query is run for one measurement.
const RUNS: u32 = 20;

/// Tells the chapter.
pub async fn tell(story: &mut Story<'_>) -> Result<()> {
    let file = story.path("shop.db");
    make(&file).await?;
    let before = measure(&file).await?;

    story.scene("A shop that has grown");
    story.say("shop.db holds 5 000 customers and 60 000 orders, and three queries that people wait for:\n");
    for (query, time) in QUERIES.iter().zip(&before) {
        story.say(format!("    {:<32}{:>9}", query.what, millis(*time)));
    }

    story.scene("What it should be");
    story.say("policies/shop.toml says what the database should have, and how those queries must be run:\n");
    story.write("policies/shop.toml", POLICY)?;
    story.quote(POLICY);

    story.scene("What would be done");
    story.verb("plan", Exit::Done)?;
    story.say("Nothing has happened: a plan only reads. What it prints is what would be sent, word for word.");

    story.scene("Doing it");
    story.say(
        "Dropping an index is a hazard. Without the word that the plan asks for, apply refuses and does nothing:\n",
    );
    let allow = "--allow drops-index:sqlite.shop.index.orders_by_state";
    story.verb(&format!("apply --yes {allow} --journal journal"), Exit::Done)?;

    story.scene("What came of it");
    let after = measure(&file).await?;
    for ((query, before), after) in QUERIES.iter().zip(&before).zip(&after) {
        let factor = before.as_secs_f64() / after.as_secs_f64().max(1e-9);
        let (before, after) = (millis(*before), millis(*after));
        story.say(format!("    {:<32}{before:>9}  ->{after:>9}   {factor:.0} times as fast", query.what));
    }
    story.say("\nAnd a second look finds nothing left to do:\n");
    story.verb("plan", Exit::Done)?;

    story.scene("Somebody edits the database");
    story.say("A colleague changes an index by hand, past evenkeel:\n");
    story.quote(&EDIT.replace("; ", ";\n"));
    run(&file, EDIT).await?;
    story.verb("drift", Exit::Changes(CHANGES))?;
    story.say(
        "Apply would put it back; or `evenkeel drift --adopt` takes it into the policy, if the colleague was right.",
    );
    Ok(())
}

async fn make(file: &Path) -> Result<()> {
    std::fs::write(file, "")
        .map_err(|error| Error::failed(format!("`{}` cannot be written: {error}", file.display())))?;
    run(file, SHOP).await
}

async fn run(file: &Path, statements: &str) -> Result<()> {
    let mut database = Database::writable(file, Duration::from_secs(5)).await?;
    database.run(statements).await.map_err(Error::from)?;
    database.close().await;
    Ok(())
}

/// How long each query takes once, on the average.
async fn measure(file: &Path) -> Result<Vec<Duration>> {
    let mut database = Database::read_only(file, Duration::from_secs(5)).await?;
    let mut times = Vec::new();
    for query in &QUERIES {
        // The first run reads the file and prepares the statement.
        database.rows(query.sql, &[&(query.value)(0)]).await.map_err(Error::from)?;
        let start = Instant::now();
        for n in 0..RUNS {
            database.rows(query.sql, &[&(query.value)(n)]).await.map_err(Error::from)?;
        }
        times.push(start.elapsed() / RUNS);
    }
    database.close().await;
    Ok(times)
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_queries_are_the_contracts() {
        for query in &QUERIES {
            assert!(POLICY.contains(&format!("sql = {:?}", query.sql)), "{}", query.what);
        }
    }

    #[tokio::test]
    async fn the_shop_is_the_same_every_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("shop.db");
        make(&file).await.unwrap_or_else(|_| panic!("a shop"));
        let mut database = Database::read_only(&file, Duration::from_secs(1)).await.expect("a database");
        let counts = "select (select count(*) from customers) || ' ' || (select count(*) from orders) || ' ' || \
                      (select count(*) from orders where state = 'unpaid') || ' ' || (select sum(total) from orders)";
        let rows = database.rows(counts, &[]).await.expect("counts");
        assert_eq!(sqlx::Row::get::<String, _>(&rows[0], 0), "5000 60000 300 630328933");
    }
}
