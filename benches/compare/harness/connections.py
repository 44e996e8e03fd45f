"""What a connection costs: held without use, and made anew."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import machine
from .load import Load, event
from .processes import stop
from .progress import Progress
from .proxies import World, make

# Seconds that a proxy is left alone before memory is read: longer than any waits to give buffers back.
SETTLE = 4.0


def idle_kib(world: World, load: Load, name: str, protocol: str, count: int) -> float:
    """KiB of resident memory for each connection that has had one answer, in a proxy of its own."""
    proxy = make(name, world).start()
    try:
        # What the first requests bring with them is not the connections'.
        load.closed(proxy, protocol, "/open/1k", "--seconds", 0.2, "--warmup", 0.1, connections=2)
        time.sleep(SETTLE)
        before = machine.rss_kib(proxy.pids(protocol))
        command = load.command("idle", proxy, protocol, "/open/1k", "--connections", count)
        holder = load.begin(command, stdin=subprocess.PIPE)
        try:
            event(holder, "begin", load.log)
            time.sleep(SETTLE)
            return (machine.rss_kib(proxy.pids(protocol)) - before) / count
        finally:
            stop(holder)
    finally:
        proxy.stop()


def idle(world: World, load: Load, names: list[str], count: int, progress: Progress) -> dict:
    """All at once: memory does not depend on who else is busy."""
    progress.step(f"{count} idle connections each")
    kinds = [(name, protocol) for name in names for protocol in ("h1", "h1-tls")]
    with ThreadPoolExecutor(len(kinds)) as pool:
        kib = pool.map(lambda kind: idle_kib(world, load, *kind, count), kinds)
        return {"connections": count, "kib": {"/".join(kind): value for kind, value in zip(kinds, kib, strict=True)}}


def handshakes(world: World, load: Load, names: list[str], rounds: int, seconds: float, progress: Progress) -> dict:
    """CPU of each new TLS connection with one request in µs, and how many come in a second; each in every round."""
    proxies = {name: make(name, world).start() for name in names}
    result: dict[str, dict[str, list[float]]] = {}
    try:
        for number in range(rounds):
            for name in names if number % 2 == 0 else names[::-1]:
                for kind in ("full", "resumed"):
                    progress.step(f"new TLS connections, {kind}: {name}")
                    window = load.handshakes(proxies[name], seconds, kind == "resumed")
                    into = result.setdefault(f"{name}/{kind}", {"cpu_us": [], "rate": [], "resumed": []})
                    into["cpu_us"].append(window.cpu_us)
                    into["rate"].append(window.rate)
                    into["resumed"].append(window.resumed / window.answers)
    finally:
        for proxy in proxies.values():
            proxy.stop()
    return result
