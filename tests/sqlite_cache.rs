//! Cache tables of SQLite, made by the program and used by somebody else: what has expired and what is too much leaves with the writes.

use crate::kit::{Folder, Run, Sqlite};

const POLICY: &str =
    "[sqlite.shop]\npath = \"shop.db\"\n\n[sqlite.shop.cache_table.pages]\nttl = \"1h\"\nmax_rows = 50\n";

fn shop() -> (Folder, Sqlite) {
    let folder = Folder::with_policy(POLICY);
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql("create table users (id int)");
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0).says("No changes");
    (folder, database)
}

#[test]
fn a_cache_table_stays_within_its_bound() {
    let (folder, database) = shop();
    database.sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200) insert into pages (key, value) select 'k' || i, i from n",
    );
    assert_eq!(database.sql("select count(*), min(value), max(value) from pages"), "50|151|200", "the newest stay");
    assert_eq!(database.sql("select distinct expires_at - created_at from pages"), "3600");
    // Smaller, and what is too much is told before it goes.
    folder.write("policies/shop.toml", &POLICY.replace("50", "20"));
    Run::new(&folder).args(["apply", "--yes"]).code(0).says("evicts-rows");
    database.sql("insert into pages (key, value) values ('one more', 201)");
    assert_eq!(database.sql("select count(*), min(value) from pages"), "20|182");
}

#[test]
fn what_has_expired_is_swept_by_the_next_write() {
    let (_folder, database) = shop();
    database.sql("insert into pages (key, value, expires_at) values ('old', 1, 5), ('older', 2, 4)");
    database.sql("insert into pages (key, value) values ('new', 3)");
    assert_eq!(database.sql("select group_concat(key) from pages"), "new");
    // A value that is written anew lives anew.
    database.sql("update pages set expires_at = unixepoch() + 5");
    database.sql("update pages set value = 4");
    assert_eq!(database.sql("select expires_at > unixepoch() + 3000 from pages"), "1");
}
