"""Where the CPU of a request goes: shares by perf, system calls by strace, over HTTP/2 and TLS with a cached token."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from . import calls, tools
from .load import Load, event
from .main import ROOT, certificate
from .processes import Failed, run, stop, stop_all
from .proxies import Portcullis, Upstream, World
from .tokens import Mint

PATH = "/rs256/1k"
CONNECTIONS, STREAMS = 8, (1, 8, 32)

# A sample belongs to the first group that a name in its stack matches: of the kernel by the call that led there ..
KERNEL = [
    ("kernel: receiving", r"__sys_recvfrom|ksys_read"),
    ("kernel: sending", r"__sys_sendto|do_writev|ksys_write|__sys_sendmsg"),
    ("kernel: waiting", r"epoll"),
    ("kernel: the rest", r""),
]
# .. and of user space by the function, without what called it.
USER = [
    ("copying and comparing memory", r"^_*mem(move|cpy|set|cmp|chr)"),
    ("allocating", r"^_?mi_|rust_(alloc|dealloc|realloc)|mimalloc"),
    ("TLS", r"rustls|aws_lc|aes|gcm|ghash"),
    ("HPACK: Huffman", r"huffman"),
    ("HPACK: the rest", r"h2::hpack"),
    ("HTTP/2: frames, streams", r"h2::|hyper::proto::h2|hyper::common|hyper_util"),
    ("gate: decision, fields", r"portcullis::(gate|headers|routing|jwt|token_cache|snapshot|revocation|json)"),
    ("upstream: exchange, heads", r"portcullis::upstream|httparse"),
    ("proxy, record, connection", r"portcullis::"),
    ("header maps, URIs, buffers", r"http::|bytes::"),
    ("tasks, timers, readiness", r"tokio|mio::|clock_gettime|slab"),
    ("the rest", r""),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches/compare/where", description=__doc__)
    parser.add_argument("--portcullis", type=Path, help="look at this program instead of building one")
    parser.add_argument("--seconds", type=float, default=5.0, help="of perf's window (5)")
    options = parser.parse_args()
    try:
        built, load = tools.build(ROOT, "profiling")
        with tempfile.TemporaryDirectory(prefix="where-") as directory:
            look((options.portcullis or built).resolve(), load, Path(directory), options.seconds)
        return 0
    except Failed as failure:
        print(f"where: {failure}", file=sys.stderr)
        return 1
    finally:
        stop_all()


def look(portcullis: Path, binary: Path, directory: Path, seconds: float) -> None:
    os.environ["STATE_DIRECTORY"] = str(directory / "state")
    world = World(ROOT, directory, portcullis, tools.envoy(ROOT), *certificate(directory))
    world.mint = Mint(portcullis, directory)
    world.algorithms = ("RS256",)
    load = Load(binary, world.certificate, directory)
    upstream = Upstream(world).start()
    world.upstream_port = upstream.port("h1")
    tokens = world.mint.tokens("RS256", "hot", 1)
    shares, samples = profile(world, load, tokens, directory, seconds)
    print(f"| of {samples} samples | share |\n| --- | ---: |")
    for group, count in shares.most_common():
        print(f"| {group} | {count / samples:.1%} |")
    print("\n| streams | socket calls for each request |\n| ---: | --- |")
    for streams in STREAMS:
        counts = calls.count(world, load, "portcullis", PATH, tokens, protocol="h2-tls", more=concurrency(streams))
        told = ", ".join(f"{call} {each:.2f}" for call, each in sorted(counts.items()) if call in calls.SOCKET)
        print(f"| {streams} | {told} |")


def concurrency(streams: int) -> list:
    return ["--connections", CONNECTIONS, "--streams", streams]


def profile(world: World, load: Load, tokens: Path, directory: Path, seconds: float) -> tuple[Counter, int]:
    """Samples by group: the clock's, since a virtual machine has no counters of its own."""
    proxy = Portcullis(world).start()
    command = load.command(
        "closed", proxy, "h2-tls", PATH, "--tokens", tokens, *concurrency(8), "--seconds", seconds + 2
    )
    loading = load.begin(command)
    try:
        event(loading, "begin", load.log)
        recorded = directory / "perf.data"
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-g", "-o", recorded]
        run([*record, "-p", proxy.pid("h2-tls"), "--", "sleep", seconds])
    finally:
        stop(loading)
        proxy.stop()
    script = subprocess.run(
        ["perf", "script", "-i", recorded, "-F", "ip,sym,dso"], stdout=subprocess.PIPE, text=True, check=True
    )
    stacks = [stack for stack in script.stdout.split("\n\n") if stack.strip()]
    return Counter(map(group_of, stacks)), len(stacks)


def group_of(stack: str) -> str:
    frames = stack.strip().splitlines()
    inside = "[kernel" in frames[0] or "[unknown]" in frames[0]
    # A line is address, name, file.
    names = [re.sub(r"^\s*[0-9a-f]+\s+(.*?)\s+\(\S*\)$", r"\1", frame) for frame in frames]
    groups, text = (KERNEL, "\n".join(names)) if inside else (USER, names[0])
    return next(group for group, pattern in groups if re.search(pattern, text))
