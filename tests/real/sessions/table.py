"""Three gateways before one PostgreSQL; see tests/real/postgres.sh. Prints one line a row."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from deaths import killed  # noqa: E402
from faults import faults, gone_for_long, lost_listener  # noqa: E402
from parts import Setting  # noqa: E402
from races import races  # noqa: E402
from together import any_gateway, by_every_name, revoked_everywhere  # noqa: E402

ROWS = (any_gateway, revoked_everywhere, by_every_name, races, lost_listener, killed, faults, gone_for_long)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("rows", nargs="*", help="names of rows; all of them, if there are none")
    parser.add_argument("--keep", help="a directory for the logs, which is not removed")
    arguments = parser.parse_args()
    # So that `finally` ends the processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(arguments.keep or tempfile.mkdtemp(prefix="portcullis-sessions-"))
    directory.mkdir(parents=True, exist_ok=True)
    begun = time.time()
    setting = Setting(arguments.binary, directory)
    try:
        setting.start()
        setting.add_users()
        setting.add_client("machine", "--scope", "read")
        setting.add_tokens()
        for rows in ROWS:
            if not arguments.rows or rows.__name__ in arguments.rows:
                since = time.time()
                setting.section(rows)
                setting.note(f"{rows.__name__}: {time.time() - since:.0f} s")
    finally:
        setting.leave(arguments.keep)
    setting.count(f"three gateways, {time.time() - begun:.0f} s: ")


main()
