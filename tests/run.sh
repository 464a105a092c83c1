#!/usr/bin/env bash
# Installs what the tests need on a Debian 12 machine, and runs them all. `tests/run.sh quick` leaves out formatting, lints and
# the single features. The last lines are the test runner's own.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing() {
    local found=()
    [ -x /usr/lib/postgresql/15/bin/postgres ] || found+=(postgresql-15)
    [ -e /usr/share/postgresql/15/extension/hypopg.control ] || found+=(postgresql-15-hypopg)
    have psql || found+=(postgresql-client-15)
    have redis-server || found+=(redis-server)
    have redis-cli || found+=(redis-tools)
    for program in sqlite3 pgbouncer haproxy nginx caddy wrk git openssl; do
        have "$program" || found+=("$program")
    done
    have setpriv && have unshare || found+=(util-linux)
    have ip || found+=(iproute2)
    have python3 || found+=(python3)
    [ -x .venv/bin/python ] || python3 -c 'import ensurepip, venv' 2>/dev/null || found+=(python3-venv)
    have cc || found+=(gcc libc6-dev)
    have cargo || have curl || found+=(curl ca-certificates)
    [ "${#found[@]}" = 0 ] || printf '%s\n' "${found[@]}"
}

install() {
    local policy=/usr/sbin/policy-rc.d made=no
    # The tests start servers of their own; those that the packages bring stay off.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        made=yes
    fi
    as_root apt-get update -qq || say "the package lists could not be renewed"
    local status=0
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 || status=$?
    [ "$made" = no ] || as_root rm -f "$policy"
    return "$status"
}

mapfile -t packages < <(missing)
if [ "${#packages[@]}" -gt 0 ]; then
    say "installing ${packages[*]}"
    install "${packages[@]}"
fi

# A reader of nginx's configurations that is not ours, to hold edits against.
if ! .venv/bin/python -c 'import crossplane' 2>/dev/null; then
    say "installing crossplane"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet crossplane
fi

[ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
if ! have cargo; then
    say "installing Rust"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy
    . "$HOME/.cargo/env"
fi

export PATH="$PATH:/usr/sbin" CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

if [ "${1:-}" != quick ]; then
    say "formatting"
    cargo fmt --check
    say "lints"
    cargo clippy --locked --all-targets --features crash-points -- -D warnings
    for features in "" $(sed -n '/^\[features\]/,/^\[/s/^\([a-z]*\) = .*/\1/p' Cargo.toml | grep -v '^default$'); do
        say "the library and the program with ${features:-no feature}"
        cargo clippy --locked --no-default-features --features "$features" -- -D warnings
    done
fi

say "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --features crash-points --no-fail-fast
else
    cargo test --locked --features crash-points --no-fail-fast
fi
