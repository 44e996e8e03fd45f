#!/usr/bin/env bash
# A fixed rate with one token, and the latency that clients would see: docs/load-testing.md.
#
#   benches/load/oha.sh TOKENS RATE [SECONDS] [URL] [MORE OPTIONS OF oha ..]
set -euo pipefail
tokens=${1:?the file of tokens}
rate=${2:?requests a second}
seconds=${3:-30}
url=${4:-http://127.0.0.1:8080/}
# oha sends the same fields with each request, so one token does for all: the first good one. Latency counts from the moment
# in which the request was due, not from the one in which a connection was free for it.
exec oha -z "${seconds}s" -q "$rate" -c 64 --latency-correction --no-tui \
    -H "Authorization: Bearer $(head -n 1 "$tokens")" "${@:5}" "$url"
