"""The load generator beside two that everyone knows: its limits, and whether nginx costs the same under it."""

import re

from . import machine
from .load import CONNECTIONS, STREAMS, Load
from .processes import run
from .progress import Progress
from .proxies import Proxy, World, make


def check(world: World, load: Load, upstream: Proxy, seconds: float, progress: Progress) -> dict:
    """Requests per second of the upstream alone; and CPU of nginx under wrk, h2load and ours, µs for each request."""
    progress.step("the load generator itself")
    nginx = make("nginx", world).start()
    times = ["--seconds", seconds]
    try:
        return {
            "ours, upstream alone, requests/s": load.closed(upstream, "h1", "/open/1k", *times).rate,
            "ours, HTTP/1.1, µs of nginx": load.closed(nginx, "h1", "/open/1k", *times).cpu_us,
            "wrk, HTTP/1.1, µs of nginx": by(nginx, "h1", wrk(nginx, seconds), r"(\d+) requests in"),
            "ours, HTTP/2 + TLS, µs of nginx": load.closed(nginx, "h2-tls", "/open/1k", *times).cpu_us,
            "h2load, HTTP/2 + TLS, µs of nginx": by(nginx, "h2-tls", h2load(nginx, seconds), r"(\d+) succeeded"),
        }
    finally:
        nginx.stop()


def wrk(nginx: Proxy, seconds: float) -> list:
    connections = CONNECTIONS["h1"]
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", f"http://127.0.0.1:{nginx.port('h1')}/open/1k"]


def h2load(nginx: Proxy, seconds: float) -> list:
    shape = ["-t1", f"-c{CONNECTIONS['h2-tls']}", f"-m{STREAMS}", f"-D{seconds:.0f}"]
    return ["h2load", *shape, f"https://127.0.0.1:{nginx.port('h2-tls')}/open/1k"]


def by(nginx: Proxy, protocol: str, command: list, answers: str) -> float:
    """CPU over the whole run of another generator, its connections included."""
    pids = nginx.pids(protocol)
    before = machine.cpu_ns(pids)
    told = run(["taskset", "-c", machine.other_cores(), *command])
    return (machine.cpu_ns(pids) - before) / 1000 / int(re.search(answers, told).group(1))
