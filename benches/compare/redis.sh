#!/usr/bin/env bash
# Warms, enforces and purges with evenkeel beside redis-cli's pipelines and the best loop that a hand could write (benches/enforce_loop.rs),
# in turns on one private Redis on loopback, and prints a table with the ratios, the memory, and what a bystander waited.
#
# usage: benches/compare/redis.sh [KEYS] [ROUNDS]      default: 1000000 keys to warm, five times as many to enforce and purge, 3 rounds;
#                                                      a quick look: benches/compare/redis.sh 200000 1
# needs: redis-server, redis-cli, python3; builds release binaries. BUILD=no takes those that are there.
# About 1 GB of memory and 150 MB of disk at the default size, and ten minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

keys=${1:-1000000}
rounds=${2:-3}
[ "${BUILD:-yes}" = no ] || cargo build --locked --release --bin evenkeel --example enforce_loop

folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" --daemonize no >"$folder/redis.log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
    if redis-cli -p "$port" ping >/dev/null 2>&1; then break; fi
    sleep 0.1
done

export HOME=$folder XDG_STATE_HOME=$folder/state
timeout "${BOUND:-3600}" python3 benches/compare/redis.py "$folder" "$port" "$server" "$keys" "$rounds"
