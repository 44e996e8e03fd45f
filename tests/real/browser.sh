#!/usr/bin/env bash
# The sign-in page in a real browser: Debian's Chromium, without a script on any page, driven over WebDriver. Prints one line
# a row, and `N passed, N failed`.
#
#   tests/real/browser.sh        needs nginx, openssl and python3; installs chromium and chromium-driver if there are none
#
# Builds the gateway, unless PORTCULLIS_BIN names one. With KEEP=DIRECTORY the logs stay there.
set -euo pipefail
cd "$(dirname "$0")/../.."

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
if ! command -v chromedriver >/dev/null || ! command -v chromium >/dev/null; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null
fi
if [ -z "${PORTCULLIS_BIN:-}" ]; then
    cargo build --locked --bin portcullis
    PORTCULLIS_BIN=target/debug/portcullis
fi

exec python3 tests/real/browser/table.py "$(realpath "$PORTCULLIS_BIN")" ${KEEP:+--keep "$KEEP"}
