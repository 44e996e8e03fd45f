"""What the kernel knows: cores, CPU time, memory."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROXY_CORE = 0


def cores() -> int:
    return os.cpu_count() or 1


def other_cores() -> str:
    """Where load and upstream run, as taskset writes it."""
    last = cores() - 1
    return "1" if last == 1 else f"1-{last}"


def load_threads() -> int:
    """Two where there is room for them beside the upstream."""
    return 2 if cores() >= 4 else 1


def family(pid: int) -> list[int]:
    """A process and its children, as nginx has workers."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [pid, *map(int, file.read().split())]
    except FileNotFoundError:
        return [pid]


def cpu_ns(pids: list[int]) -> int:
    """CPU time of all threads, kernel included, in nanoseconds: the clock that clock_getcpuclockid(3) names.

    /proc/PID/stat has the same time rounded to ticks of 10 ms.
    """
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


def cpu_ticks(pids: list[int]) -> tuple[int, int]:
    """User and system time of all threads, in ticks."""
    user = system = 0
    for pid in pids:
        fields = stat_fields(Path(f"/proc/{pid}/stat").read_text())
        user += int(fields[11])
        system += int(fields[12])
    return user, system


def stat_fields(text: str) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second, the name, may hold spaces and parentheses."""
    return text[text.rindex(")") + 2 :].split()


def busy_ticks(core: int, text: str | None = None) -> int:
    """Ticks a core was not idle, interrupts included, stolen time not."""
    text = text if text is not None else Path("/proc/stat").read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq = map(int, line.split()[1:8])
    return user + nice + system + irq + softirq


def rss_kib(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            total += int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    return total


def cpu_model() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*:\s*(.+)", file.read())
    return found.group(1).strip() if found else platform.machine()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def distribution() -> str:
    with open("/etc/os-release", encoding="utf-8") as file:
        found = re.search(r'PRETTY_NAME="?([^"\n]+)', file.read())
    return found.group(1) if found else "Linux"


def first_match(command: list[str], pattern: str) -> str:
    """What a program says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "?"
