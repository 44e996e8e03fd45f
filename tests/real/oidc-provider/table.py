"""The whole table against a certified OpenID provider; see tests/real/oidc-provider.sh. Prints one line a row."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from discovery import discovery, tokens, untrusted, wrong_metadata  # noqa: E402
from outage import outage, second_source  # noqa: E402
from rotation import changed_under_load, flood, hanging_fetch, overlap_by_interval, overlap_by_restart, retired  # noqa: E402
from setting import Table  # noqa: E402


def one_gateway(table):
    """The rows that follow one gateway through its life."""
    corp = table.corp
    gateway = table.gateway(
        "gateway",
        table.corp_issuer(),
        table.many_issuer("often", refresh='interval = "2s"'),
        table.many_issuer("brief", more='max_lifetime = "3s"'),
        table.many_issuer("bare"),
    )
    gateway.start()
    tokens(table, gateway)
    changed_under_load(table, gateway, "no overlap, by API", lambda: corp.rotate("", "2"), corp.tokens(60))
    changed_under_load(table, gateway, "no overlap, by restart", lambda: corp.restart("", "3"), corp.tokens(60))
    overlap_by_interval(table, gateway)
    overlap_by_restart(table, gateway, 3)
    flood(table, gateway, 4)
    hanging_fetch(table, gateway)
    retired(table, gateway)
    outage(table, gateway, 5)
    gateway.end()
    table.check("TERM ends it with 0", gateway.process.returncode == 0, gateway.process.returncode)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("script", help="provider.mjs, beside the node_modules that it needs")
    parser.add_argument("--keep", help="a directory for the logs, which is not removed")
    arguments = parser.parse_args()
    # So that `finally` ends the processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(arguments.keep or tempfile.mkdtemp(prefix="portcullis-oidc-"))
    directory.mkdir(parents=True, exist_ok=True)
    table = Table(arguments.binary, Path(arguments.script), directory)
    try:
        table.start()
        for rows in (discovery, wrong_metadata, untrusted, one_gateway, second_source):
            table.section(rows)
    finally:
        table.leave(arguments.keep)
    table.count()


main()
