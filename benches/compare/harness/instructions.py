"""Instructions for each request, counted by callgrind: of user space alone, on a busy machine as on a quiet one.

Growth is told by them, since a few in a hundred drown in the scatter of times.
"""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import machine
from .load import Load, event
from .processes import Failed, run, start, stop, wait_for_port
from .proxies import Portcullis, World

# One, so that making connections is nothing beside the requests.
CONNECTIONS = 1


class Counted(Portcullis):
    """The gateway under callgrind, on any core."""

    def launch(self) -> None:
        command = self.commands()["plain"]
        # Not beside the configuration: the gateway looks at that directory, and reads it again when files come.
        self.profiles = self.home / "profiles"
        self.profiles.mkdir(exist_ok=True)
        valgrind = [
            "valgrind",
            "--tool=callgrind",
            "--separate-threads=yes",
            "--instr-atstart=no",
            f"--callgrind-out-file={self.profiles}/out",
            *command,
        ]
        cores = f"0-{machine.cores() - 1}"
        self.processes["plain"] = start(valgrind, cores, self.log, cwd=self.home)
        wait_for_port(self.ports["plain"], self.processes["plain"], self.log, 120)
        # Counting is slow, and reading ten thousand routes is not what is counted.
        run(["callgrind_control", "-i", "on", self.pid("h1")], cwd=self.profiles)


def per_request(proxy: Counted, load: Load, path: str, tokens: Path | None, requests: int, once: bool = False) -> float:
    """Instructions of one request, from the difference of two counts between which so many were answered."""
    more = ["--tokens", tokens] if tokens else []
    common = ["--connections", CONNECTIONS, "--warmup", 0, "--seconds", 120]
    cores = f"0-{machine.cores() - 1}"

    def ask(path: str, *arguments) -> int:
        process = load.begin(load.command("closed", proxy, "h1", path, *common, *arguments), cores)
        try:
            event(process, "begin", load.log)
            end = event(process, "end", load.log)
        finally:
            stop(process)
        if set(end["statuses"]) != {"200"}:
            raise Failed(f"under callgrind {path} was answered {end['statuses']}")
        time.sleep(0.3)
        return end["total"]

    # Connections, caches and memos are warm before the count; a walk without repetition has to leave them cold.
    if once:
        ask("/open/1k", "--requests", 200)
    else:
        ask(path, *more, "--requests", max(200, requests // 4))
    dump(proxy)
    answered = ask(path, *more, "--once", "/open/1k") if once else ask(path, *more, "--requests", requests)
    return dump(proxy) / answered


def dump(proxy: Counted) -> int:
    """Has callgrind write what it counted since the last time, a file for each thread, and takes the busiest thread's
    sum: that of the one worker. What the others do goes by the clock, which callgrind slows down fiftyfold."""
    before = set(proxy.profiles.glob("out.*"))
    run(["callgrind_control", "-d", proxy.pid("h1")], cwd=proxy.profiles)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        totals = [total(path.read_text(errors="replace")) for path in set(proxy.profiles.glob("out.*")) - before]
        if totals and None not in totals:
            return max(totals)
        time.sleep(0.05)
    raise Failed(f"callgrind wrote nothing: {proxy.log.read_text()[-1000:]}")


def total(text: str) -> int | None:
    """The sum of a profile, which is its last line; none while it is being written."""
    found = re.search(r"^totals: (\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def measure(
    world: World, load: Load, hot: dict[str, Path], unique: Path, routes: list[int], keys: list[int], requests: int
) -> dict:
    """Instructions of a public request, of one with a cached token, and how both kinds grow.

    All are counted at once, since they do not disturb each other. `hot`: one token each of the algorithm that routes
    are counted with, and of EdDSA.
    """
    first = next(iter(hot))

    def with_routes(count: int) -> tuple[float, float]:
        proxy = Counted(world, routes=count).start()
        try:
            cached = per_request(proxy, load, f"/{first.lower()}/1k", hot[first], requests)
            return cached, per_request(proxy, load, "/open/1k", None, requests)
        finally:
            proxy.stop()

    def with_keys(count: int) -> tuple[float, float]:
        proxy = Counted(world, eddsa_keys=world.mint.crowd(count)).start()
        try:
            fresh = per_request(proxy, load, "/eddsa/1k", unique, requests, once=True)
            return per_request(proxy, load, "/eddsa/1k", hot["EdDSA"], requests), fresh
        finally:
            proxy.stop()

    with ThreadPoolExecutor(machine.cores()) as pool:
        by_routes = [pool.submit(with_routes, count) for count in routes]
        by_keys = [pool.submit(with_keys, count) for count in keys]
        route_counts = {count: future.result() for count, future in zip(routes, by_routes, strict=True)}
        key_counts = {count: future.result() for count, future in zip(keys, by_keys, strict=True)}
    return {
        "cached": route_counts[routes[0]][0],
        "public": route_counts[routes[0]][1],
        "routes": {str(count): values[0] for count, values in route_counts.items()},
        "keys": {str(count): values[0] for count, values in key_counts.items()},
        "keys_unique": {str(count): values[1] for count, values in key_counts.items()},
    }
