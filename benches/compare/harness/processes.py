"""Programs that are started, pinned to cores, and always ended."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

_running: list[subprocess.Popen] = []


class Failed(Exception):
    """Something that ends the run; its text says all."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command: list[str], cores: str, log: Path, cwd: Path | None = None, **more) -> subprocess.Popen:
    """Starts a program on those cores. It leads a process group, so that its children end with it."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *map(str, command)],
            **{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "cwd": cwd, "process_group": 0, **more},
        )
    _running.append(process)
    return process


def stop(process: subprocess.Popen) -> None:
    for how, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            break
        try:
            os.killpg(process.pid, how)
            process.wait(patience)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue
    if process in _running:
        _running.remove(process)


def stop_all() -> None:
    for process in list(_running):
        stop(process)


def wait_for_port(port: int, process: subprocess.Popen, log: Path, seconds: float = 20) -> None:
    """Returns when something accepts there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed(f"it ended before it listened:\n{tail(log)}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise Failed(f"nothing listens on port {port}:\n{tail(log)}")


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def run(command: list[str], **more) -> str:
    """Runs a program to its end and gives what it wrote."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
