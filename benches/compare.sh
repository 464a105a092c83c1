#!/usr/bin/env bash
# Measures evenkeel beside the limit of what it measures against, in one run on this machine:
#   plan      10 000 indexes on 1 000 tables of a private PostgreSQL, beside the bare catalog query that any tool needs
#   check     a policy of 10 000 resources
#   start-up  `evenkeel --version`
# usage: benches/compare.sh [ROUNDS]     needs python3 and PostgreSQL 15; builds a release binary
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
bin=/usr/lib/postgresql/15/bin
folder=$(mktemp -d /tmp/evenkeel-bench-XXXXXX)
chmod 755 "$folder"
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres "$folder"
fi
stop() {
    "${as_postgres[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT

cargo build --locked --release --bin evenkeel
evenkeel=$PWD/target/release/evenkeel

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$folder"
"${as_postgres[@]}" "$bin/initdb" -D data -U bench -A trust --no-sync >/dev/null
"${as_postgres[@]}" "$bin/pg_ctl" -D data -l "$folder/log" -w -o "-p $port -h 127.0.0.1 -k $folder -F -c log_statement=all -c log_line_prefix='%a|' -c max_locks_per_transaction=4096" start >/dev/null
export DATABASE_URL="postgres://bench@127.0.0.1:$port/postgres"
psql() { command psql -X -q -v ON_ERROR_STOP=1 "$DATABASE_URL" "$@"; }

echo "making 1 000 tables with 10 indexes each" >&2
psql >/dev/null <<'SQL'
set client_min_messages = warning;
select format('create table t%s (id bigint, tenant bigint, email text, state text, created timestamptz, total numeric)', n) from generate_series(1, 1000) n \gexec
select format('create index t%s_i%s on t%s (%s)', n, i, n,
    (array['tenant', 'email', 'state, created desc', 'created', 'tenant, created desc', 'lower(email)', 'total desc nulls last', 'id', 'tenant, state', 'email text_pattern_ops'])[i]
    || case when i = 5 then ') where (state = ''open''' else '' end)
from generate_series(1, 1000) n, generate_series(1, 10) i \gexec
analyze pg_class; analyze pg_index; analyze pg_attribute;
SQL

mkdir policies
printf '[postgres.bench]\nurl = { env = "DATABASE_URL" }\n' >policies/empty.toml
"$evenkeel" --quiet export postgres.bench --policy policies -o exported.toml
mv exported.toml policies/bench.toml
rm policies/empty.toml
echo "the policy declares $(grep -c '^\[postgres.bench.index' policies/bench.toml) indexes" >&2

cat >catalog.sql <<'SQL'
select n.nspname, t.relname, c.relname, i.indisunique, i.indisvalid, i.indkey::text, pg_get_indexdef(i.indexrelid), pg_relation_size(c.oid), s.idx_scan
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
left join pg_stat_user_indexes s on s.indexrelid = i.indexrelid
where n.nspname = 'public'
SQL

: >"$folder/log"
"$evenkeel" --quiet plan policies >plan.txt || { cat plan.txt; exit 1; }
echo
echo "plan says: $(tail -n 1 plan.txt)"
echo "statements sent by one plan: $(grep -c '^evenkeel.*|LOG:  \(statement\|execute\)' "$folder/log")"
psql -c "alter system set log_statement = 'none'" -c 'select pg_reload_conf()' >/dev/null
echo
python3 "$OLDPWD/benches/measure.py" "$rounds" \
    "bare catalog query (the limit)" psql "$DATABASE_URL" -X -q -A -t -f catalog.sql \
    -- "evenkeel plan, nothing differs" "$evenkeel" --quiet plan policies \
    -- "evenkeel check, 10 000 resources" "$evenkeel" --quiet check policies \
    -- "evenkeel --version" "$evenkeel" --version
