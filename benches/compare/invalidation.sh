#!/usr/bin/env bash
# What invalidation costs writers, how fast the outbox drains, and how far the worker lags under load: private servers on loopback, a table.
#
# usage: benches/compare/invalidation.sh [SECONDS] [CLIENTS]      default: 6 seconds each, 8 clients
# needs: PostgreSQL 15, redis-server, redis-cli, curl, and target/release/evenkeel (or EVENKEEL=path)
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-6}
clients=${2:-8}
evenkeel=${EVENKEEL:-$PWD/target/release/evenkeel}
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
folder=$(mktemp -d)
chmod 755 "$folder"
pgport=${PGPORT_BENCH:-15432} redisport=${PORT:-16380} metrics=${METRICS:-19464}
owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi; }
[ "$(id -u)" != 0 ] || chown postgres "$folder"

owner "$bin/initdb" --username=bench --auth=trust --encoding=UTF8 --locale=C.UTF-8 -D "$folder/data" >/dev/null
owner "$bin/postgres" -D "$folder/data" -p "$pgport" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
    -c shared_buffers=256MB -c max_wal_size=4GB >"$folder/postgres.log" 2>&1 &
redis-server --port "$redisport" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" >"$folder/redis.log" &
redis=$!
worker=
trap 'kill $worker "$redis" 2>/dev/null; kill -INT "$(head -n 1 "$folder/data/postmaster.pid")" 2>/dev/null; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
export DATABASE_URL=postgres://bench@127.0.0.1:$pgport/postgres REDIS_URL=redis://127.0.0.1:$redisport HOME=$folder XDG_STATE_HOME=$folder/state
sql() { psql --no-psqlrc -qAt --dbname "$DATABASE_URL" --command "$1"; }
until sql 'select 1' >/dev/null 2>&1; do sleep 0.1; done
sql "create table users (id int primary key, tenant int, name text); insert into users select i, i % 100, 'x' from generate_series(1, 200000) i"
sql 'vacuum analyze users'
cat >"$folder/update.sql" <<'SQL'
\set id random(1, 200000)
update users set name = 'y' where id = :id;
SQL

policy() {
    printf '[guards]\nallow = ["drops-trigger"]\n[postgres.shop]\nurl = { env = "DATABASE_URL" }\n[redis.cache]\nurl = { env = "REDIS_URL" }\n' >"$folder/policy.toml"
    printf '[postgres.shop.invalidation.users]\n%s\n' "$1" >>"$folder/policy.toml"
    "$evenkeel" apply --yes "$folder/policy.toml" >/dev/null 2>&1
}
made() { policy "$(printf 'table = "users"\nkeys = ["user:{id}"]\ncache = "redis.cache"\nnotify = %s' "$1")"; }
load() { owner "$bin/pgbench" -n -T "$seconds" -c "$1" -j 2 -f "$folder/update.sql" "$DATABASE_URL" 2>/dev/null | sed -n 's/^tps = \([0-9]*\).*/\1/p'; }
bulk() { local start; start=$(date +%s%N); sql "update users set name = 'z' where id <= 100000"; echo $((($(date +%s%N) - start) / 1000000)); }
row() { printf '%-34s %10s %10s %12s\n' "$@"; }

row 'writers' 'tps c=1' "tps c=$clients" 'bulk 100k ms'
sql checkpoint
row 'no invalidation' "$(load 1)" "$(load "$clients")" "$(bulk)"
made false
row 'invalidation, nobody drains' "$(load 1)" "$(load "$clients")" "$(bulk)"
waiting=$(sql 'select count(*) from evenkeel.outbox')
start=$(date +%s%N)
"$evenkeel" invalidate "$folder/policy.toml" >/dev/null 2>&1
took=$((($(date +%s%N) - start) / 1000000))
printf '\ndrained %s rows in %s ms: %s rows/s\n\n' "$waiting" "$took" "$((waiting * 1000 / (took + 1)))"
"$evenkeel" serve "$folder/policy.toml" --listen "127.0.0.1:$metrics" >/dev/null 2>&1 &
worker=$!
row 'the same, a worker drains' "$(load 1)" "$(load "$clients")" "$(bulk)"
for _ in $(seq "$seconds"); do
    sleep 0.9
    curl -s "http://127.0.0.1:$metrics/metrics" | sed -n 's/^evenkeel_lag_seconds{[^}]*} //p'
done >"$folder/lag" &
lag=$!
load "$clients" >/dev/null
wait "$lag"
printf '\nlag under load, s: %s\n\n' "$(sort -g "$folder/lag" | awk '{ a[NR] = $1 } END { print "median " a[int((NR + 1) / 2)] ", most " a[NR] }')"
made true
row 'notify = true, a worker drains' "$(load 1)" "$(load "$clients")" "$(bulk)"
