"""What all proxies have in common."""

import itertools
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .. import machine
from ..processes import Failed, free_port, start, stop, wait_for_port
from ..tokens import Mint

_serial = itertools.count(1)


@dataclass
class World:
    """What a proxy is given: where it may write, whom to forward to, whom to believe."""

    root: Path
    directory: Path
    portcullis: Path
    envoy: Path
    certificate: Path
    private_key: Path
    upstream_port: int = 0
    mint: Mint | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    # Tokens that Envoy's cache holds where it has one: all that a run sends.
    envoy_cache: int = 10_000
    environment: dict[str, str] = field(default_factory=dict)


class Proxy:
    """One proxy, started on core 0 with files of its own."""

    name = "?"
    # What it can do at all.
    algorithms: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("h1", "h1-tls", "h2-tls")
    cores = str(machine.PROXY_CORE)

    def __init__(self, world: World):
        self.world = world
        self.home = world.directory / f"{self.name.replace(' ', '-')}-{next(_serial)}"
        self.home.mkdir()
        self.log = self.home / "log"
        self.ports = {"plain": free_port(), "tls": free_port()}
        self.processes: dict[str, subprocess.Popen] = {}

    def commands(self) -> dict[str, list[str]]:
        """Writes the configuration. One program for all listeners (`both`), or one each (`plain`, `tls`)."""
        raise NotImplementedError

    def start(self) -> "Proxy":
        """Starts it, on other ports if a connection of someone's has taken one meanwhile."""
        for _ in range(3):
            try:
                self.launch()
                return self
            except Failed as failure:
                self.stop()
                self.ports = {"plain": free_port(), "tls": free_port()}
                why = failure
        raise Failed(f"{self.name} does not start: {why}")

    def launch(self) -> None:
        for what, command in self.commands().items():
            process = start(command, self.cores, self.log, cwd=self.home)
            self.processes[what] = process
            for listener in ("plain", "tls") if what == "both" else (what,):
                wait_for_port(self.ports[listener], process, self.log)

    def stop(self) -> None:
        for process in self.processes.values():
            stop(process)
        self.processes.clear()

    def port(self, protocol: str) -> int:
        return self.ports[listener(protocol)]

    def pid(self, protocol: str) -> int:
        return (self.processes.get("both") or self.processes[listener(protocol)]).pid

    def pids(self, protocol: str) -> list[int]:
        return machine.family(self.pid(protocol))

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text)
        return path


def listener(protocol: str) -> str:
    return "plain" if protocol == "h1" else "tls"
