"""The command: what is measured in which order, and within which time."""

import argparse
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import (
    calls,
    connections,
    generator,
    growth,
    instructions,
    latency,
    machine,
    report,
    results,
    rows,
    stats,
    tools,
)
from .load import Load
from .processes import Failed, run, stop_all
from .progress import Progress
from .proxies import Upstream, World
from .rounds import MOST, Contest, Rounds
from .rows import Row
from .tokens import ALGORITHMS, Mint

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "docs/benchmarks"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rows: list[Row]
    algorithms: tuple[str, ...]
    rounds: int
    # Rounds beyond these stand in for those whose control moved.
    most_rounds: int
    fewest_rounds: int
    seconds: float
    warmup: float
    unique_tokens: int
    # After so many seconds no further round begins.
    deadline: float
    expected: float


def plans(arguments: argparse.Namespace) -> Plan:
    rounds = arguments.rounds
    if arguments.smoke:
        return Plan(rows.smoke(), ("ES256", "EdDSA"), 1, 1, 1, 0.2, 0.1, 4_000, 1e9, 15)
    if arguments.quick:
        return Plan(rows.quick(), ALGORITHMS, rounds or 6, rounds or 7, 3, 0.6, 0.15, 16_000, 100, 165)
    seconds = arguments.seconds
    count = rounds or 7
    expected = len(rows.full()) * (seconds + 0.8) * count * 1.15 + 1500
    return Plan(rows.full(), ALGORITHMS, count, count + 4, count, seconds, 0.4, 100_000, 1e9, expected)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/compare/run", description="Portcullis beside nginx, HAProxy and Envoy."
    )
    parser.add_argument("--quick", action="store_true", help="the goals alone, within three minutes once all is built")
    parser.add_argument(
        "--smoke", action="store_true", help="seconds, to see that it works: no HAProxy, no Envoy, no files"
    )
    parser.add_argument("--rounds", type=int, help="rounds that count (7; quick: 6)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each window of the full run (2)")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="rows of the full run whose key holds TEXT; no growth"
    )
    parser.add_argument(
        "--noisy", action="store_true", help="no error when the control moved: figures are told, files stay"
    )
    parser.add_argument("--profile", default="release", help="Cargo profile of gateway and load generator (release)")
    parser.add_argument("--portcullis", type=Path, help="measure this program instead of building one")
    parser.add_argument(
        "--out", type=Path, default=PUBLISHED, help="for JSON and plots (docs/benchmarks, with the table)"
    )
    parser.add_argument("--redraw", action="store_true", help="draw plots and table again from the last run's JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    # However it ends, what it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.redraw:
            return publish(results.read(options.out), options)
        return measure(options)
    except Failed as failure:
        print(f"\ncompare: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stop_all()


def measure(options: argparse.Namespace) -> int:
    if machine.cores() < 2:
        raise Failed("two cores are needed: one for the proxy, one for load and upstream")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if not options.smoke:
        tools.install(ROOT)
    portcullis, load = tools.build(ROOT, options.profile)
    with tempfile.TemporaryDirectory(prefix="compare-") as directory:
        try:
            found = Run(options, Path(directory), (options.portcullis or portcullis).resolve(), load).measure()
        finally:
            stop_all()
    return publish(found, options)


def publish(found: results.Results, options: argparse.Namespace) -> int:
    print(report.text(found))
    movement = stats.moved(found.rounds.control)
    kept = len(found.rounds.kept())
    enough = kept >= found.fewest_rounds
    if not enough:
        print(
            f"\nRefused: nginx itself moved by {movement:.0%} between rounds, and only {kept} of them stand within "
            f"{MOST:.0%}, not {found.fewest_rounds}. Measure on a quiet machine."
        )
    if options.smoke or (options.only and not options.redraw) or not enough:
        return 0 if enough or options.smoke or options.noisy else 3
    ours = options.out.resolve() == PUBLISHED
    written = report.write(found, options.out, ROOT / "docs/benchmarks.md" if ours else None)
    print(
        "\nwritten: "
        + ", ".join(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in written)
    )
    return 0


class Run:
    """One run, from keys to figures."""

    def __init__(self, options: argparse.Namespace, directory: Path, portcullis: Path, load: Path):
        self.options = options
        self.plan = plans(options)
        self.began = time.monotonic()
        self.progress = Progress(self.plan.expected)
        # Self-made keys and anything else it remembers stay in this directory.
        os.environ["STATE_DIRECTORY"] = str(directory / "state")
        os.environ["TMPDIR"] = str(directory)
        self.directory = directory
        self.world = World(ROOT, directory, portcullis, tools.envoy(ROOT), *certificate(directory))
        self.world.mint = Mint(portcullis, directory)
        self.world.algorithms = self.plan.algorithms
        self.load = Load(load, self.world.certificate, directory)
        raise_open_files()

    def measure(self) -> results.Results:
        self.upstream = Upstream(self.world).start()
        self.world.upstream_port = self.upstream.port("h1")
        chosen = self.chosen()
        tokens = self.mint(chosen)
        contest = Contest(self.world, self.load, tokens, self.plan.seconds, self.plan.warmup)
        rounds = self.rounds(contest, chosen)
        more: dict = {}
        if not self.options.smoke and not self.options.only:
            more["latency"] = self.latency(contest, rounds)
        contest.stop()
        if not self.options.only:
            more |= self.small(tokens) if self.options.smoke else self.rest(tokens)
        self.progress.done()
        facts = {} if self.options.smoke else tools.versions(ROOT)
        kind = "smoke" if self.options.smoke else "quick" if self.options.quick else "full"
        return results.Results.of(kind, self.plan.fewest_rounds, rounds, more, facts)

    def chosen(self) -> list[Row]:
        wanted = self.options.only
        chosen = [row for row in self.plan.rows if not wanted or any(text in row.key for text in wanted)]
        if not chosen:
            raise Failed("no row has that in its key; one looks like portcullis/hot/RS256/h1/1k")
        return chosen

    def mint(self, chosen: list[Row]) -> dict[tuple[str, str], Path]:
        mint, tokens = self.world.mint, {}
        few = 200 if self.options.smoke else 5_000
        kinds = sorted({(row.algorithm, row.work) for row in chosen if row.algorithm})
        # Latency, growth and system calls want these in any case.
        always = (
            [] if self.options.smoke else [("RS256", "many"), ("RS256", "hot"), ("EdDSA", "hot"), ("EdDSA", "unique")]
        )
        for algorithm, work in sorted({*kinds, *always, ("EdDSA", "hot"), ("EdDSA", "unique")}):
            self.progress.step(f"minting {algorithm} tokens: {work}")
            match work:
                case "hot":
                    made = mint.tokens(algorithm, work, 1)
                case "many":
                    made = mint.tokens(algorithm, work, few)
                case "unique":
                    wanted = (algorithm, work) in kinds
                    made = mint.tokens(algorithm, work, self.plan.unique_tokens if wanted else 1_000)
                case "expired":
                    made = mint.expired(algorithm, few)
                case _:
                    made = mint.forged(algorithm, few)
            tokens[algorithm, work] = made
        return tokens

    def rounds(self, contest: Contest, chosen: list[Row]) -> Rounds:
        """As many rounds as are wanted with a steady control, while there is time."""
        rounds = Rounds()
        for number in range(self.plan.most_rounds):
            began = time.monotonic()
            contest.round(number, chosen, self.progress, rounds)
            took = time.monotonic() - began
            late = time.monotonic() + took - self.began > self.plan.deadline
            if len(rounds.kept()) >= self.plan.rounds or (late and number + 1 >= self.plan.fewest_rounds):
                break
        return rounds

    def latency(self, contest: Contest, rounds: Rounds) -> list[dict]:
        quick = self.options.quick
        wanted = [
            Row("portcullis", "many", "RS256"),
            Row("haproxy", "many", "RS256"),
            Row("envoy cache", "many", "RS256"),
        ]
        wanted += [Row("nginx", "open")] + ([] if quick else [Row("envoy", "many", "RS256")])
        slowest = max(stats.median([w.cpu_us for w in rounds.windows[row]]) for row in wanted)
        shares, count, seconds = ([0.5], 3, 1.2) if quick else ([0.3, 0.5, 0.7], 7, 5.0)
        return latency.measure(contest, wanted, slowest, shares, count, seconds, self.progress)

    def rest(self, tokens: dict[tuple[str, str], Path]) -> dict:
        quick, world, load, step = self.options.quick, self.world, self.load, self.progress
        peers = ["portcullis", "nginx", "haproxy", "envoy cache"]
        more: dict = {
            "idle": connections.idle(world, load, peers[:2] if quick else peers, 1000 if quick else 4000, step)
        }
        step.step("system calls")
        more["calls"] = {"portcullis": calls.count(world, load, "portcullis", "/rs256/1k", tokens["RS256", "hot"])}
        if not quick:
            more["calls"] |= {name: calls.count(world, load, name, "/open/1k", None) for name in peers[1:]}
        step.step("instructions under callgrind")
        counts = ([1, 10_000], [1, 1_000]) if quick else ([1, 10, 100, 1_000, 10_000], [1, 10, 100, 1_000])
        hot = {algorithm: tokens[algorithm, "hot"] for algorithm in ("RS256", "EdDSA")}
        more["instructions"] = instructions.measure(
            world, load, hot, self.callgrind_tokens(), *counts, 300 if quick else 4_000
        )
        if not quick:
            more |= self.growth(tokens)
            more["generator"] = generator.check(world, load, self.upstream, self.plan.seconds, step)
            more["handshakes"] = connections.handshakes(world, load, peers, self.plan.rounds, self.plan.seconds, step)
        return more

    def growth(self, tokens: dict[tuple[str, str], Path]) -> dict:
        world, load, step, rounds = self.world, self.load, self.progress, 3
        by_connections = growth.connections(
            world,
            load,
            {"portcullis": "/rs256/1k", "nginx": "/open/1k", "haproxy": "/open/1k"},
            tokens["RS256", "hot"],
            [32, 256, 2_000, 8_000],
            rounds,
            self.plan.seconds,
            step,
        )
        step.step("minting a million EdDSA tokens")
        files = {
            count: self.world.mint.tokens("EdDSA", f"walk-{count}", count)
            for count in (1, 100, 10_000, 100_000, 1_000_000)
        }
        by_tokens = growth.tokens(
            world, load, ["portcullis", "envoy cache"], "/eddsa/1k", files, rounds, self.plan.seconds, step
        )
        return {"connections": by_connections, "tokens": by_tokens}

    def small(self, tokens: dict[tuple[str, str], Path]) -> dict:
        """The other kinds of measurement, for as long as it takes to see that they work."""
        path, hot = "/eddsa/1k", tokens["EdDSA", "hot"]
        contest = Contest(self.world, self.load, tokens, 0.2, 0.1)
        row = Row("portcullis", "hot", "EdDSA")
        try:
            events = latency.measure(contest, [row], 1000.0, [0.5], 1, 0.3, self.progress)
        finally:
            contest.stop()
        more: dict = {"latency": events}
        more["idle"] = connections.idle(self.world, self.load, ["portcullis"], 20, self.progress)
        more["handshakes"] = connections.handshakes(self.world, self.load, ["portcullis"], 1, 0.2, self.progress)
        if not tools.missing("strace"):
            more["calls"] = {"portcullis": calls.count(self.world, self.load, "portcullis", path, hot, 0.3)}
        if not tools.missing("valgrind"):
            more["instructions"] = instructions.measure(
                self.world,
                self.load,
                {"ES256": tokens["ES256", "hot"], "EdDSA": hot},
                self.callgrind_tokens(),
                [1, 50],
                [1, 5],
                200,
            )
        return more

    def callgrind_tokens(self) -> Path:
        """Few: each costs milliseconds there."""
        return self.world.mint.tokens("EdDSA", "callgrind", 100 if self.options.quick or self.options.smoke else 1_000)


def certificate(directory: Path) -> tuple[Path, Path]:
    """Self-signed, P-256, for localhost; no authority, so that clients can trust just it."""
    pem, key = directory / "certificate.pem", directory / "certificate.key"
    run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            key,
            "-out",
            pem,
        ]
    )
    return pem, key


def raise_open_files() -> None:
    """Thousands of connections need as many files as the machine allows."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
