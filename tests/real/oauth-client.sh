#!/usr/bin/env bash
# The local issuer as other languages' libraries see it: npm's oauth4webapi finds it, signs in, refreshes, introspects and
# revokes; npm's jose and PyPI's jwcrypto verify its tokens by its JWK Set, for each algorithm. Prints one line a row, and
# `N passed, N failed`.
#
#   tests/real/oauth-client.sh         needs nginx, python3 with venv, node and npm
#
# Builds the gateway, unless PORTCULLIS_BIN names one. With KEEP=DIRECTORY the logs stay there.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${PORTCULLIS_BIN:-}" ]; then
    cargo build --locked --bin portcullis
    PORTCULLIS_BIN=target/debug/portcullis
fi

# Installed once, and again when the lock file changes.
client=target/oauth-client
mkdir -p "$client"
if ! cmp -s tests/real/oauth-client/package-lock.json "$client/installed.json"; then
    cp tests/real/oauth-client/package.json tests/real/oauth-client/package-lock.json "$client"
    (cd "$client" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$client/package-lock.json" "$client/installed.json"
fi
# Beside the packages: that is where node looks for them.
cp tests/real/oauth-client/client.mjs "$client"

venv=${REAL_VENV:-target/real-venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import jwcrypto' 2>/dev/null || "$venv/bin/pip" install --quiet --disable-pip-version-check jwcrypto==1.5.6

exec "$venv/bin/python" tests/real/oauth-client/table.py "$(realpath "$PORTCULLIS_BIN")" "$(realpath "$client/client.mjs")" \
    ${KEEP:+--keep "$KEEP"}
