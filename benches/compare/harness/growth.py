"""Growth in what times can show: connections, and tokens beyond what a cache holds."""

from pathlib import Path

from .load import Load
from .processes import Failed
from .progress import Progress
from .proxies import World, make


def connections(
    world: World,
    load: Load,
    names: dict[str, str],
    tokens: Path,
    counts: list[int],
    rounds: int,
    seconds: float,
    progress: Progress,
) -> dict:
    """CPU for each request over that many connections, by proxy; `names` gives the path each is asked for."""
    result: dict[str, dict[str, list[float]]] = {name: {str(count): [] for count in counts} for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            path = names[name]
            more = [] if path.startswith("/open") else ["--tokens", tokens]
            proxy = make(name, world).start()
            try:
                for count in counts:
                    progress.step(f"{count} connections: {name}")
                    warmup = 0.3 + count / 8000
                    window = load.closed(
                        proxy, "h1", path, *more, "--seconds", seconds, "--warmup", warmup, connections=count
                    )
                    if set(window.statuses) != {"200"}:
                        raise Failed(f"{name} with {count} connections answered {window.statuses}")
                    result[name][str(count)].append(window.cpu_us)
            finally:
                proxy.stop()
    return result


def tokens(
    world: World,
    load: Load,
    names: list[str],
    path: str,
    files: dict[int, Path],
    rounds: int,
    seconds: float,
    progress: Progress,
) -> dict:
    """CPU for each request while clients walk through so many tokens, by proxy; the second walk counts."""
    result: dict[str, dict[str, list[float]]] = {name: {str(count): [] for count in files} for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            for count, file in files.items():
                progress.step(f"{count:,} tokens: {name}")
                proxy = make(name, world).start()
                try:
                    # One walk through all of them, so that what a cache can hold is there.
                    load.closed(
                        proxy, "h1", path, "--tokens", file, "--warmup", 0, "--requests", count, "--seconds", 120
                    )
                    window = load.closed(proxy, "h1", path, "--tokens", file, "--seconds", seconds)
                    result[name][str(count)].append(window.cpu_us)
                finally:
                    proxy.stop()
    return result
