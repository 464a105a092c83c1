#!/usr/bin/env bash
# Warms, enforces and purges with evenkeel beside redis-cli's pipelines, on a private Redis on loopback, and prints a table.
#
# usage: benches/compare/redis.sh [KEYS] [ROUNDS]      default: 1000000 keys to warm, five times as many to enforce and purge, 3 rounds
# needs: redis-server, redis-cli, jq, and target/release/evenkeel (or EVENKEEL=path)
set -euo pipefail
cd "$(dirname "$0")/../.."

keys=${1:-1000000}
rounds=${2:-3}
many=$((keys * 5))
evenkeel=${EVENKEEL:-$PWD/target/release/evenkeel}
folder=$(mktemp -d)
port=${PORT:-16379}
cli=(redis-cli -p "$port")

redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" --daemonize no >"$folder/redis.log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
until "${cli[@]}" ping >/dev/null 2>&1; do sleep 0.1; done

export HOME=$folder XDG_STATE_HOME=$folder/state
head_of_policy() {
    printf '[guards]\nallow = ["cools-cache", "expires-keys"]\n[redis.cache]\nurl = "redis://127.0.0.1:%s"\nmax_latency = "%s"\n' "$port" "${LATENCY:-10ms}"
}
{ head_of_policy; printf '[redis.cache.warm.w]\nkey = "session:{id}"\nvalue = "{v}"\nttl = "1h"\nsource = { file = "%s/rows.jsonl" }\n' "$folder"; } >"$folder/warm.toml"
{ head_of_policy; printf '[redis.cache.ttl.s]\nmatch = "session:*"\nmax_ttl = "10h"\njitter = "10%%"\n'; } >"$folder/ttl.toml"
{ head_of_policy; printf '[redis.cache.purge.p]\nmatch = ["session:*"]\ntoken = "TOKEN"\n'; } >"$folder/purge.toml"

awk -v n="$keys" 'BEGIN { for (i = 0; i < n; i++) printf "{\"id\":\"%08d\",\"v\":\"v%015d\"}\n", i, i }' >"$folder/rows.jsonl"
awk -v n="$keys" 'BEGIN { for (i = 0; i < n; i++) printf "*5\r\n$3\r\nSET\r\n$16\r\nsession:%08d\r\n$16\r\nv%015d\r\n$2\r\nEX\r\n$4\r\n3600\r\n", i, i }' >"$folder/set.resp"

# One in five breaks the rule: half of them never expire, half too late. One in twenty is no session.
fill() {
    "${cli[@]}" flushall >/dev/null
    awk -v n="$many" 'BEGIN { for (i = 0; i < n; i++) {
        key = (i % 20 == 7 ? "other" : "session") ":" sprintf("%08d", i)
        if (i % 10 == 0) print "SET " key " v" sprintf("%015d", i)
        else print "SET " key " v" sprintf("%015d", i) " EX " (i % 10 == 1 ? 72000 : 18000)
    } }' | "${cli[@]}" --pipe >/dev/null
}

# Seconds that a command takes, and the most memory it had in MB.
measure() { command time -f '%e %M' -o "$folder/time" "$@" >"$folder/out" 2>&1 || { cat "$folder/out" >&2; exit 1; }; awk '{ printf "%.2f %.0f", $1, $2 / 1024 }' "$folder/time"; }
# Seconds of the step alone, as the journal tells them.
step() { jq -rs 'map(select(.event == "end")) | last | .elapsed_ms / 1000' "$folder/state/evenkeel/journal.jsonl"; }
row() { printf '%-34s %10s %10s %12s\n' "$@"; }
rate() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%d k/s", n / s / 1000 }'; }
best() { awk 'NR == 1 || $1 < least { least = $1; line = $0 } END { print line }'; }

apply() { measure "$evenkeel" apply "$1" --yes --quiet; }
report() { # name, keys, lines of "seconds MB [step]"
    local line; line=$(best)
    read -r seconds memory alone <<<"$line"
    row "$1" "${seconds}s" "$(rate "$2" "${alone:-$seconds}")" "${memory} MB${alone:+, step ${alone}s}"
}

row "" "wall" "keys" "memory"
for _ in $(seq "$rounds"); do "${cli[@]}" flushall >/dev/null; measure sh -c "redis-cli -p $port --pipe <'$folder/set.resp'"; echo; done | report "warm: redis-cli --pipe" "$keys"
for _ in $(seq "$rounds"); do "${cli[@]}" flushall >/dev/null; apply "$folder/warm.toml"; echo " $(step)"; done | report "warm: evenkeel apply" "$keys"
measure "$evenkeel" plan "$folder/warm.toml" | report "warm: evenkeel plan, all warm" "$keys"

for _ in $(seq "$rounds"); do fill; measure sh -c "redis-cli -p $port --scan --pattern 'session:*' | awk '{ print \"PEXPIRE \" \$1 \" 36000000 LT\" }' | redis-cli -p $port --pipe"; echo; done | report "ttl: scan | awk | --pipe" "$many"
for _ in $(seq "$rounds"); do fill; apply "$folder/ttl.toml"; echo " $(step)"; done | report "ttl: evenkeel apply" "$many"
measure "$evenkeel" plan "$folder/ttl.toml" | report "ttl: evenkeel plan, all kept" "$many"

for _ in $(seq "$rounds"); do fill; measure sh -c "redis-cli -p $port --scan --pattern 'session:*' | xargs -n 1000 redis-cli -p $port unlink"; echo; done | report "purge: scan | xargs unlink" "$many"
for round in $(seq "$rounds"); do fill; sed "s/TOKEN/$round/" "$folder/purge.toml" >"$folder/purge-now.toml"; apply "$folder/purge-now.toml"; echo " $(step)"; done | report "purge: evenkeel apply" "$many"
