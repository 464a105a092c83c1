//! The subject on SQLite.

use super::subject::{Subject, allow_all};
use crate::kit::{Folder, Hold, Sqlite};

/// A shop in one file.
pub struct Shop {
    folder: Folder,
    database: Sqlite,
}

const POLICY: &str = r#"
[sqlite.shop]
path = "shop.db"
busy_timeout = "60s"

[sqlite.shop.index.users_by_tenant]
table = "users"
columns = ["tenant_id", "created_at desc"]
where = "is_active"

[sqlite.shop.index.users_by_email]
table = "users"
columns = ["lower(email)"]

[sqlite.shop.index.users_old]
absent = true

[sqlite.shop.cache_table.page_cache]
ttl = "24h"
max_rows = 1000
"#;

const SCHEMA: &str = "
create table users (id integer primary key, tenant_id int, email text, is_active int, created_at text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
    insert into users select i, i % 50, 'user' || i || '@example.com', i % 3, date('2026-01-01', i || ' hours') from n;
create index users_by_email on users (email);
create index users_old on users (created_at);
create index users_other on users (is_active);
";

impl Subject for Shop {
    const TARGET: &'static str = "sqlite.shop";

    fn start() -> Self {
        let folder = Folder::with_policy(&(allow_all("sqlite") + POLICY));
        let database = Sqlite::at(folder.file("shop.db"));
        database.sql(SCHEMA);
        Self { folder, database }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn fingerprint(&self) -> String {
        let bytes = std::fs::read(self.database.path()).expect("the database is there");
        let names: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("shop.db"))
            .collect();
        format!("{names:?} {} bytes, {:x}", bytes.len(), fnv(&bytes))
    }

    fn shape(&self) -> String {
        self.database
            .sql("select type, name, tbl_name, sql from sqlite_master order by 1, 2; select count(*) from users")
    }

    fn meddle(&self) -> &'static str {
        self.database.sql("drop index users_by_tenant; create index users_by_tenant on users (tenant_id);");
        "sqlite.shop.index.users_by_tenant"
    }

    fn spoil(&self) -> &'static str {
        self.database.sql("drop index users_by_email; create index users_by_email on users (email, id);");
        "sqlite.shop.index.users_by_email"
    }

    fn hold(&self) -> Hold {
        self.database.hold()
    }

    fn held_up(&self) -> bool {
        // SQLite does not tell who waits; the journal tells that a step has begun.
        let journal = self.folder.file("state/evenkeel/journal.jsonl");
        std::fs::read_to_string(journal).is_ok_and(|text| text.contains("\"intent\""))
    }

    fn elsewhere(&self) -> &'static str {
        "[sqlite.elsewhere]\npath = \"nowhere/elsewhere.db\"\n\n[sqlite.elsewhere.index.a]\ntable = \"t\"\ncolumns = [\"a\"]\n"
    }
}

/// A checksum that is good enough to see a change.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
