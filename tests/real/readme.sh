#!/usr/bin/env bash
# Does what README.md tells to sign users in, line by line as it stands there, on free ports; and checks what comes of it.
#
#   tests/real/readme.sh         needs curl, jq and python3
#
# Builds the gateway, unless PORTCULLIS_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${PORTCULLIS_BIN:-}" ]; then
    cargo build --locked --bin portcullis
    PORTCULLIS_BIN=target/debug/portcullis
fi
readme=$(realpath README.md)
work=$(mktemp -d)
finish() {
    status=$?
    # The gateway and the application of the lines below.
    [ ! -s "$work/pids" ] || xargs kill <"$work/pids" 2>/dev/null || true
    [ "$status" -eq 0 ] || cat "$work/log" >&2
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

mkdir "$work/bin" && ln -s "$(realpath "$PORTCULLIS_BIN")" "$work/bin/portcullis"
export PATH="$work/bin:$PATH" STATE_DIRECTORY="$work/state"
cd "$work"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
gateway=$(free_port) application=$(free_port)
PORTCULLIS__ADMIN__LISTEN=127.0.0.1:$(free_port)
export PORTCULLIS__ADMIN__LISTEN
# The first block of that kind below the heading.
block() {
    awk -v kind="\`\`\`$1" '/^## /{there = ($0 == "## Sign users in")} there && $0 == "```"{if (on) exit} on{print} there && $0 == kind{on = 1}' "$readme" |
        sed "s/8080/$gateway/g; s/\b3000\b/$application/g"
}
listens() { for _ in $(seq 200); do curl -s -o "$work/probe" "http://localhost:$1/" && return; sleep 0.05; done; return 1; }

block toml >gateway.toml
# What a person types on the terminal comes from a pipe here; processes in the background are remembered, and waited for.
block sh |
    sed -E "s/^(portcullis user add .*[^ ]) +#.*/printf 'correct horse\\\\n' | \1 --password-stdin/" |
    sed -E "s/^(python3 .*) &$/\1 >>log 2>\&1 \& echo \$! >>pids; listens $application/; s/^portcullis run &$/portcullis run >>log 2>\&1 \& echo \$! >>pids; listens $gateway/" \
    >lines
. ./lines >said

expect() { grep -q -- "$1" said || { echo "readme: no $1 in:" >&2; cat said >&2; exit 1; }; }
expect 'user alice added'
expect '"missing_token"'
expect 'Directory listing for /'
expect '"device":"curl/'
expect '"revoked"'
echo "readme: as it says"
