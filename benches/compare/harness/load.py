"""Drives the load generator, and reads the proxy's clocks when its window opens and closes."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from . import machine
from .processes import Failed, start, stop
from .proxies import Proxy

# Concurrency of the closed loop: 32 connections, over HTTP/2 8 with 8 streams each.
CONNECTIONS = {"h1": 32, "h1-tls": 32, "h2-tls": 8}
STREAMS = 8

# Clients that send bad tokens have an address of their own: who fails often is served less.
GOOD_CLIENT, BAD_CLIENT = "127.0.0.1", "127.0.0.66"


@dataclass
class Window:
    """What one window of load showed."""

    answers: int
    seconds: float
    statuses: dict[str, int]
    broken: int
    resumed: int
    # CPU of the proxy for each answer in µs: by its own clock, by ticks of /proc/PID/stat (user and system), and all
    # that its core did, interrupts for others' packets included.
    cpu_us: float
    user_us: float
    system_us: float
    core_us: float
    rss_kib: int

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    def as_dict(self) -> dict:
        return asdict(self)


class Load:
    """The generator, aimed at proxies."""

    def __init__(self, binary: Path, certificate: Path, directory: Path):
        self.binary = binary
        self.certificate = certificate
        self.log = directory / "load.log"

    def command(self, kind: str, proxy: Proxy, protocol: str, path: str, *more) -> list[str]:
        trust = [] if protocol == "h1" else ["--certificate", self.certificate]
        to = ["--address", f"127.0.0.1:{proxy.port(protocol)}", "--protocol", protocol, "--path", path]
        return list(map(str, [self.binary, kind, *to, *trust, *more]))

    def begin(self, command: list[str], cores: str | None = None, **more) -> subprocess.Popen:
        pipes = {"stdout": subprocess.PIPE, "text": True, **more}
        return start(command, cores or machine.other_cores(), self.log, **pipes)

    def closed(self, proxy: Proxy, protocol: str, path: str, *more, **options) -> Window:
        connections = options.pop("connections", None) or CONNECTIONS[protocol]
        threads = min(machine.load_threads(), connections)
        command = self.command(
            "closed",
            proxy,
            protocol,
            path,
            "--connections",
            connections,
            "--threads",
            threads,
            "--streams",
            STREAMS,
            *more,
        )
        return self.window(command, proxy, protocol)

    def handshakes(self, proxy: Proxy, seconds: float, resume: bool) -> Window:
        more = ["--connections", 16, "--seconds", seconds, *(["--resume"] if resume else [])]
        return self.window(self.command("handshakes", proxy, "h1-tls", "/open/1k", *more), proxy, "h1-tls")

    def open(self, proxy: Proxy, protocol: str, path: str, rate: float, *more) -> dict:
        process = self.begin(self.command("open", proxy, protocol, path, "--rate", rate, *more))
        try:
            event(process, "begin", self.log)
            return event(process, "end", self.log)
        finally:
            stop(process)

    def window(self, command: list[str], proxy: Proxy, protocol: str) -> Window:
        process = self.begin(command)
        pids = proxy.pids(protocol)
        try:
            event(process, "begin", self.log)
            before = clocks(pids)
            end = event(process, "end", self.log)
            after = clocks(pids)
        finally:
            stop(process)
        if end["answers"] == 0:
            raise Failed(f"{proxy.name} answered nothing: {' '.join(command)}\n{proxy.log.read_text()[-2000:]}")
        tick_us = 1_000_000 / machine.TICKS / end["answers"]
        return Window(
            answers=end["answers"],
            seconds=end["seconds"],
            statuses=end["statuses"],
            broken=end["broken"],
            resumed=end["resumed"],
            cpu_us=(after[0] - before[0]) / 1000 / end["answers"],
            user_us=(after[1] - before[1]) * tick_us,
            system_us=(after[2] - before[2]) * tick_us,
            core_us=(after[3] - before[3]) * tick_us,
            rss_kib=machine.rss_kib(pids),
        )


def clocks(pids: list[int]) -> tuple[int, int, int, int]:
    return machine.cpu_ns(pids), *machine.cpu_ticks(pids), machine.busy_ticks(machine.PROXY_CORE)


def event(process: subprocess.Popen, name: str, log: Path) -> dict:
    """The generator's next line, which must be that event."""
    line = process.stdout.readline()
    if not line:
        raise Failed(f"the load generator ended:\n{log.read_text()[-2000:] if log.exists() else ''}")
    told = json.loads(line)
    if told["event"] != name:
        raise Failed(f"the load generator said {line.strip()}, not {name}")
    return told
