#!/usr/bin/env bash
# Plans and applies another weight for every node of a pool through HAProxy's runtime socket, beside the same commands sent by hand
# over one connection (the limit), on a private HAProxy on loopback.
#
# usage: benches/compare/haproxy.sh [NODES] [ROUNDS]      default: 1000 nodes, 5 rounds
# needs: haproxy, python3, and target/release/evenkeel (or EVENKEEL=path)
set -euo pipefail
cd "$(dirname "$0")/../.."
nodes=${1:-1000}
rounds=${2:-5}
evenkeel=${EVENKEEL:-$PWD/target/release/evenkeel}
measure=$PWD/benches/measure.py
export PATH=$PATH:/usr/sbin
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$folder"

{
    printf 'global\n    stats socket %s/admin.sock mode 600 level admin expose-fd listeners\n\n' "$folder"
    printf 'defaults\n    mode http\n    timeout connect 1s\n    timeout client 20s\n    timeout server 20s\n    option idle-close-on-response\n\n'
    printf 'frontend fe\n    bind 127.0.0.1:%s\n    default_backend web\n\nbackend web\n    balance roundrobin\n' "$port"
    for n in $(seq "$nodes"); do printf '    server n%s 127.0.0.1:9 weight 10\n' "$n"; done
} >haproxy.cfg
haproxy -W -S "$folder/master.sock" -f haproxy.cfg >haproxy.log 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
until [ -S admin.sock ]; do sleep 0.1; done

for weight in 20 30; do
    {
        printf '[haproxy.web]\nsocket = "admin.sock"\nmaster_socket = "master.sock"\nconfig = "haproxy.cfg"\nbackend = "web"\n'
        printf '[haproxy.web.guards]\nmax_update_percent = 100\n'
        for n in $(seq "$nodes"); do printf '[haproxy.web.node.n%s]\nweight = %s\n' "$n" "$weight"; done
    } >"weight-$weight.toml"
done

cat >by_hand.py <<'PY'
"""Sends `set server … weight` for every node over one connection, many to a line, and reads the answers."""
import socket, sys
nodes, weight = int(sys.argv[1]), sys.argv[2]
with socket.socket(socket.AF_UNIX) as s:
    s.connect("admin.sock")
    s.sendall(b"prompt\n")
    for first in range(1, nodes + 1, 100):
        names = range(first, min(first + 100, nodes + 1))
        s.sendall(";".join(f"set server web/n{n} weight {weight}" for n in names).encode() + b"\n")
    s.sendall(b"quit\n")
    while s.recv(65536):
        pass
PY

export XDG_STATE_HOME=$folder/state
# Every round moves the weights there and back, so that each apply has all of them to change.
python3 "$measure" "$rounds" \
    "the same commands by hand (the limit)" python3 by_hand.py "$nodes" 15 \
    -- "evenkeel plan, every weight differs" "$evenkeel" --quiet plan weight-20.toml \
    -- "evenkeel apply, to 20" "$evenkeel" --quiet apply weight-20.toml --yes \
    -- "evenkeel apply, to 30" "$evenkeel" --quiet apply weight-30.toml --yes \
    -- "evenkeel plan, nothing differs" "$evenkeel" --quiet plan weight-30.toml
