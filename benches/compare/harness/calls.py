"""System calls for each request, counted by strace in a window of its own: strace makes them some ten times slower."""

import re
import time
from pathlib import Path

from .load import Load, event
from .processes import start, stop, tail
from .proxies import World, make

# Those that a socket is used with; waiting, accepting and closing are counted beside them.
SOCKET = {"read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "getsockopt", "setsockopt"}


def count(
    world: World,
    load: Load,
    name: str,
    path: str,
    tokens: Path | None,
    seconds: float = 1.5,
    protocol: str = "h1",
    more: list | None = None,
) -> dict[str, float]:
    """Calls for each request by name, on kept connections; making these is a hundredth of it."""
    proxy = make(name, world).start()
    out = proxy.home / "strace"
    try:
        traced = [part for pid in proxy.pids(protocol) for part in ("-p", str(pid))]
        tracing = start(["strace", "-c", "-f", "-o", str(out), *traced], "0", proxy.log)
        while "attached" not in tail(proxy.log) and tracing.poll() is None:
            time.sleep(0.02)
        arguments = [*(["--tokens", tokens] if tokens else []), *(more or [])]
        command = load.command("closed", proxy, protocol, path, *arguments, "--warmup", 0, "--seconds", seconds)
        loading = load.begin(command)
        try:
            event(loading, "begin", load.log)
            total = event(loading, "end", load.log)["total"]
        finally:
            stop(loading)
            stop(tracing)
    finally:
        proxy.stop()
    return {call: count / total for call, count in parse(out.read_text()).items()}


def socket_calls(calls: dict[str, float]) -> float:
    return sum(count for call, count in calls.items() if call in SOCKET)


def parse(text: str) -> dict[str, int]:
    """Names and counts of strace's table."""
    calls = {}
    for line in text.splitlines():
        found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)\s*$", line)
        if found and found.group(2) != "total":
            calls[found.group(2)] = int(found.group(1))
    return calls
