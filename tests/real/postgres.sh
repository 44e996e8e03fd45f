#!/usr/bin/env bash
# The store's suite on a real PostgreSQL: Debian's, in a cluster of its own, on a free port, over TLS where a test asks for it.
# Then three gateways before another one: what one does the others know, also when the database is stopped, frozen, restarted
# or cut off, and when a gateway dies. Prints one line a row, what clients saw in a table, and `N passed, N failed`.
#
#   tests/real/postgres.sh  needs cargo, openssl, nginx, python3; installs postgresql if there is none
#
# Builds the gateway, unless PORTCULLIS_BIN names one. With KEEP=DIRECTORY the logs of the gateways stay there.
set -euo pipefail
cd "$(dirname "$0")/../.."

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
# The newest that is installed; Debian keeps these out of PATH.
binaries() { find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -n 1; }
if [ -z "$(binaries)" ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
bin=$(binaries)
# PostgreSQL refuses to be root.
server() { if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

# The server's directory is the server's own; what its log says is shown when something fails.
work=$(cd /tmp && server mktemp -d /tmp/portcullis-postgres.XXXXXX)
started= ca= output=
finish() {
    status=$?
    [ -z "$started" ] || (cd /tmp && server "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null) || true
    [ "$status" -eq 0 ] || tail -n 20 "$work/log" >&2 || true
    rm -rf "$work" "$ca" "$output"
}
trap finish EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(
    # A directory that the server's user can enter.
    cd /tmp
    # The password has what a URL must encode.
    server sh -c 'umask 077; printf "p/w@:?#1" >"$1/password"' sh "$work"
    server "$bin/initdb" -D "$work/data" -U postgres -A scram-sha-256 --pwfile="$work/password" -E UTF8 --locale=C.UTF-8 -N >/dev/null
    server openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
        -addext basicConstraints=critical,CA:TRUE -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
    # For the name alone, so that the address does not fit.
    server openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -keyout "$work/data/server.key" -out "$work/server.csr" 2>/dev/null
    server sh -c 'printf "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n" >"$1/server.ext"' sh "$work"
    server openssl x509 -req -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
        -extfile "$work/server.ext" -out "$work/data/server.crt" 2>/dev/null
    server "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w -o \
        "-p $port -k $work -c listen_addresses=127.0.0.1 -c ssl=on -c fsync=off" start >/dev/null
)
started=1
# The suite may be someone else than the server.
ca=$(mktemp) && cat "$work/ca.pem" >"$ca"
output=$(mktemp)

export PORTCULLIS_TEST_POSTGRES="postgres://postgres:p%2Fw%40%3A%3F%231@127.0.0.1:$port/postgres"
export PORTCULLIS_TEST_POSTGRES_CA=$ca
passed() { sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$output"; }
cargo test --locked --quiet --test store -- postgres:: faults:: | tee "$output"
passed=$(passed)
# Those who keep the signing keys, several at once.
cargo test --locked --quiet --lib -- issuer::rotation::keeper::tests::postgres:: | tee "$output"
keepers=$(passed)
# Where a test does nothing without a server, an empty run would pass too.
[ "${passed:-0}" -ge 90 ] && [ "${keepers:-0}" -ge 4 ] || { echo "postgres: only ${passed:-0} and ${keepers:-0} passed" >&2; exit 1; }
echo "postgres $("$bin/postgres" -V | grep -o '[0-9][0-9.]*' | head -n 1): $((passed + keepers)) passed"

if [ -z "${PORTCULLIS_BIN:-}" ]; then
    cargo build --locked --quiet --bin portcullis
    PORTCULLIS_BIN=target/debug/portcullis
fi
python3 tests/real/sessions/table.py "$(realpath "$PORTCULLIS_BIN")" ${KEEP:+--keep "$KEEP"}
