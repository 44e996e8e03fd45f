"""The goals, each with what was measured for it."""

from dataclasses import dataclass

from . import calls, stats
from .rounds import Rounds
from .rows import CONTROL, Row


@dataclass(frozen=True)
class Goal:
    """A number that should not be above its limit."""

    name: str
    limit: float
    unit: str = "×"


@dataclass(frozen=True)
class Outcome:
    goal: Goal
    value: float | None
    low: float | None = None
    high: float | None = None
    remark: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "reached" if self.value <= self.goal.limit else "not reached"


HOT = {protocol: Row("portcullis", "hot", "RS256", protocol) for protocol in ("h1", "h1-tls", "h2-tls")}
MANY = {algorithm: Row("portcullis", "many", algorithm) for algorithm in ("RS256", "ES256")}

RATIOS = [
    (Goal("one cached RS256 token, HTTP/1.1: to nginx without authentication", 0.95), HOT["h1"], CONTROL),
    (Goal("the same: to nginx stream, which relays bytes unread", 1.25), HOT["h1"], Row("nginx stream", "open")),
    (Goal("HTTP/1.1 + TLS: to nginx without authentication", 0.95), HOT["h1-tls"], Row("nginx", "open", "", "h1-tls")),
    (Goal("HTTP/2 + TLS: to nginx without authentication", 0.65), HOT["h2-tls"], Row("nginx", "open", "", "h2-tls")),
    (Goal("HTTP/2 + TLS: to HAProxy without authentication", 1.0), HOT["h2-tls"], Row("haproxy", "open", "", "h2-tls")),
    (Goal("5,000 tokens, RS256: to HAProxy jwt_verify", 0.38), MANY["RS256"], Row("haproxy", "many", "RS256")),
    (Goal("5,000 tokens, ES256: to HAProxy jwt_verify", 0.22), MANY["ES256"], Row("haproxy", "many", "ES256")),
    (Goal("5,000 tokens, RS256: to Envoy with its cache on", 0.35), MANY["RS256"], Row("envoy cache", "many", "RS256")),
    (
        Goal("every token new, RS256: to HAProxy jwt_verify (stretch: 0.70)", 0.80),
        Row("portcullis", "unique", "RS256"),
        Row("haproxy", "unique", "RS256"),
    ),
]


def outcomes(rounds: Rounds, more: dict) -> list[Outcome]:
    """All goals in the order of the list, whether measured or not."""
    result = [ratio(goal, rounds.values(ours), rounds.values(theirs)) for goal, ours, theirs in RATIOS]
    result += [the_check(rounds, more.get("instructions")), *system_calls(more.get("calls"))]
    result += idle(more.get("idle")) + growth(more.get("instructions")) + [tail(more.get("latency"))]
    return result


def ratio(goal: Goal, ours: list[float], theirs: list[float]) -> Outcome:
    if not ours or not theirs:
        return Outcome(goal, None)
    found = stats.summary(stats.ratios(ours, theirs))
    return Outcome(goal, found.median, found.low, found.high)


def the_check(rounds: Rounds, instructions: dict | None) -> Outcome:
    """What a cached token costs beyond a public route: instructions, at the time one takes in this very run."""
    goal = Goal("the check itself, cached: what it adds to a public route", 0.3, "µs")
    user = rounds.values(HOT["h1"], "user_us")
    if not instructions or not user:
        return Outcome(goal, None)
    added = instructions["cached"] - instructions["public"]
    value = added / instructions["cached"] * stats.median(user)
    return Outcome(
        goal,
        value,
        remark=f"{added:.0f} of {instructions['cached']:.0f} instructions; tests/allocations.rs holds its allocations",
    )


def system_calls(counted: dict | None) -> list[Outcome]:
    sockets = Goal("socket calls for each request, HTTP/1.1", 4.05, "")
    futex = Goal("futex calls for each request", 0.005, "")
    if not counted:
        return [Outcome(sockets, None), Outcome(futex, None)]
    ours = counted["portcullis"]
    return [Outcome(sockets, calls.socket_calls(ours)), Outcome(futex, ours.get("futex", 0.0))]


def idle(measured: dict | None) -> list[Outcome]:
    kinds = [("h1", "plain", 8.0), ("h1-tls", "TLS", 20.0)]
    goals = [(kind, Goal(f"an idle connection, {name}", limit, "KiB")) for kind, name, limit in kinds]
    kib = measured["kib"] if measured else {}
    return [
        Outcome(
            goal,
            kib.get(f"portcullis/{kind}"),
            remark=f"nginx {kib[f'nginx/{kind}']:.1f}" if f"nginx/{kind}" in kib else "",
        )
        for kind, goal in goals
    ]


def growth(instructions: dict | None) -> list[Outcome]:
    result = []
    for kind, name in (("routes", "routes"), ("keys", "keys, token cached"), ("keys_unique", "keys, every token new")):
        counts = sorted(map(int, instructions[kind])) if instructions else []
        span = f"{counts[0]:,} to {counts[-1]:,}" if counts else "1 to many"
        goal = Goal(f"growth from {span} {name}, instructions", 0.03, "+")
        if counts:
            values = instructions[kind]
            result.append(Outcome(goal, values[str(counts[-1])] / values[str(counts[0])] - 1))
        else:
            result.append(Outcome(goal, None))
    return result


def tail(latency: list[dict] | None) -> Outcome:
    """Against whichever peer has the lowest median, round by round."""
    goal = Goal("p99 at half the slowest peer's rate: to the best peer", 1.1)
    at_half = [entry for entry in latency or [] if entry["share"] == 0.5]
    ours = [entry for entry in at_half if entry["row"].startswith("portcullis/")]
    peers = [entry for entry in at_half if entry not in ours]
    if not ours or not peers:
        return Outcome(goal, None)
    best = min(peers, key=lambda entry: stats.median(entry["p99"]))
    found = stats.summary(stats.ratios(ours[0]["p99"], best["p99"]))
    return Outcome(goal, found.median, found.low, found.high, f"best: {Row.from_key(best['row']).title}")
