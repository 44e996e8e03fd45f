#!/usr/bin/env bash
# Keys that rotate and providers that are down, on real parts: a certified OpenID provider (npm's oidc-provider), nginx as
# the upstream, and a load of more than 2,000 requests/s. Prints one line a row, and `N passed, N failed`.
#
#   tests/real/oidc-provider.sh        needs nginx, openssl, python3, node and npm
#
# Builds the gateway, unless PORTCULLIS_BIN names one. Keys and certificates are made anew by each run. With KEEP=DIRECTORY
# the logs stay there.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${PORTCULLIS_BIN:-}" ]; then
    cargo build --locked --bin portcullis
    PORTCULLIS_BIN=target/debug/portcullis
fi

# Installed once, and again when the lock file changes.
provider=target/oidc-provider
mkdir -p "$provider"
if ! cmp -s tests/real/oidc-provider/package-lock.json "$provider/installed.json"; then
    cp tests/real/oidc-provider/package.json tests/real/oidc-provider/package-lock.json "$provider"
    (cd "$provider" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$provider/package-lock.json" "$provider/installed.json"
fi
# Beside the packages: that is where node looks for them.
cp tests/real/oidc-provider/provider.mjs "$provider"

exec python3 tests/real/oidc-provider/table.py "$(realpath "$PORTCULLIS_BIN")" "$(realpath "$provider/provider.mjs")" \
    ${KEEP:+--keep "$KEEP"}
