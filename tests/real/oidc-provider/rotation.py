"""Rows on keys that change, on a flood of unknown kids, and on a provider that hangs, all under load."""

import secrets
import signal
import statistics
import time

from load import Load
from parts import until, with_kid
from setting import GAP, LEAST_RATE, rest

# How often a fetch is made to hang, and not.
ROUNDS = 5


def changed_under_load(table, gateway, name, change, fresh):
    """Keys that are replaced without an overlap: the tokens of the new one are refused until one fetch has ended."""
    corp = table.corp
    load = Load(gateway.port, "/corp")
    load.pool("old", fresh)
    load.send("old")
    rest()
    begun = len(corp.fetches())
    change()
    load.pool("new", corp.tokens(60))
    load.send("old", "new")
    until(lambda: load.counts()["new"][1] > 0)
    time.sleep(1)
    load.pause()
    seen = load.stop()
    old, new = seen.pools["old"], seen.pools["new"]
    # After it the old tokens' keys are the unknown ones, which ask again, once a gap.
    fetches = len([entry for entry in corp.fetches()[begun:] if entry["begin"] / 1000 <= new.first_ok])
    late = seen.refused("new", since=new.first_ok)
    table.check(f"{name}: at least {LEAST_RATE} requests/s", seen.rate >= LEAST_RATE and not seen.broken, (seen.rate, seen.broken))
    table.check(f"{name}: the new keys are taken, by one fetch", new.first_ok > 0 and fetches == 1, (new.first_ok, fetches))
    table.check(f"{name}: no valid token is refused once that fetch has ended", new.first_ok > 0 and not late, late[:3])
    table.check(f"{name}: until then as unknown_key alone", set(seen.reasons("new")) <= {"unknown_key"}, seen.reasons("new"))
    misses = seen.refused("new")
    first_miss = min((answer.sent for answer in misses), default=0.0)
    early = [answer for answer in seen.refused("old") if answer.done < first_miss or answer.reason != "unknown_key"]
    table.check(f"{name}: no token of the old keys is refused before the first miss", misses and not early, early[:3])
    table.check(f"{name}: none passes after the fetch, from the token cache neither", 0 < old.last_ok <= new.first_ok,
                old.last_ok - new.first_ok)
    window = (max(answer.done for answer in misses) - first_miss) * 1000 if misses else 0.0
    table.note(f"{seen.rate:.0f} requests/s; {len(misses)} of {new.sent} valid tokens refused, all within {window:.0f} ms of the first miss; "
               f"{fetches} fetch, and the first passed {(new.first_ok - corp.fetches()[begun]['end'] / 1000) * 1000:.0f} ms after its answer")


def overlap_by_interval(table, gateway):
    """The provider publishes a key before it signs with it, and the gateway looks each two seconds."""
    many, mount = table.many, "/often"
    load = Load(gateway.port, "/often")
    load.pool("old", many.tokens(60, mount))
    load.send("old")
    many.rotate(mount, "1", "2")
    table.check("overlap, by API: the background refresh finds the new key", until(lambda: "ES256-2" in gateway.report("often")))
    table.check("overlap, by API: it is new and never used", gateway.verdict("often", "ES256-2") == "new and never used",
                gateway.verdict("often", "ES256-2"))
    many.rotate(mount, "2", "1")
    load.pool("new", many.tokens(60, mount))
    load.send("old", "new")
    time.sleep(1)
    load.pause()
    seen = load.stop()
    table.check(f"overlap, by API: at least {LEAST_RATE} requests/s", seen.rate >= LEAST_RATE and not seen.broken, (seen.rate, seen.broken))
    table.check("overlap, by API: no valid token is refused", not seen.others and seen.pools["new"].ok > 0, seen.others[:3])
    table.note(f"{seen.rate:.0f} requests/s; {len(seen.others)} of {seen.sent} refused; {len(many.fetches(mount))} fetches so far, one each 2 s")
    many.rotate(mount, "2")
    gone = until(lambda: gateway.report("often").get("ES256-1", {}).get("verdict", "gone").startswith("gone"))
    table.check("overlap, by API: the refresh that follows removes the old key", gone, gateway.report("often"))


def overlap_by_restart(table, gateway, generation):
    """The same with restarts, and an operator who asks for the refresh."""
    corp, now, then = table.corp, str(generation), str(generation + 1)
    load = Load(gateway.port, "/corp")
    old = corp.tokens(60)
    load.pool("old", old)
    load.send("old")
    rest()
    corp.restart("", now, then)
    code, said = gateway.command("keys", "refresh", "corp")
    table.check("overlap, by restart: keys refresh asks for the keys", code == 0, (code, said))
    table.check("overlap, by restart: they are there", until(lambda: f"ES256-{then}" in gateway.report("corp")), gateway.report("corp"))
    corp.restart("", then, now)
    load.pool("new", corp.tokens(60))
    load.send("old", "new")
    time.sleep(1)
    load.pause()
    seen = load.stop()
    table.check(f"overlap, by restart: at least {LEAST_RATE} requests/s", seen.rate >= LEAST_RATE and not seen.broken, (seen.rate, seen.broken))
    table.check("overlap, by restart: no valid token is refused", not seen.others and seen.pools["new"].ok > 0, seen.others[:3])
    table.note(f"{seen.rate:.0f} requests/s; {len(seen.others)} of {seen.sent} refused")
    in_use = gateway.verdict("corp", f"ES256-{now}")
    table.check("overlap, by restart: the old key is in use until its tokens end", in_use.startswith("in use until "), in_use)
    rest()
    corp.restart("", then)
    gateway.command("keys", "refresh", "corp")
    removed = until(lambda: gateway.refuses("unknown_key", old[1], "/corp"))
    table.check("overlap, by restart: a removed key's tokens are refused", removed, gateway.get("/corp", old[1]))
    verdict = gateway.verdict("corp", f"ES256-{now}")
    table.check("overlap, by restart: gone, still presented", verdict.startswith("gone, still presented"), verdict)
    code, said = gateway.command("keys", "list")
    listed = code == 0 and all(text in said for text in (f"ES256-{then}", "in use until", "gone, still presented"))
    table.check("overlap, by restart: keys list says the same", listed, (code, said))


def flood(table, gateway, generation):
    """Ten thousand tokens with random kids, and a rotation in the middle of them."""
    corp = table.corp
    model = corp.token(algorithms=("RS256",))
    valid = corp.tokens(60)
    load = Load(gateway.port, "/corp", rate=5000)
    load.pool("valid", valid)
    load.pool("random", [with_kid(model, secrets.token_hex(12)) for _ in range(10000)], once=True)
    rest()
    begun = len(corp.fetches())
    load.send("valid", "random")
    until(lambda: load.counts()["random"][0] >= 4000, 60)
    kept = str(generation)
    corp.rotate("", str(generation + 1), kept)
    # Few, so that they come before the next fetch does.
    load.pool("new", corp.tokens(3))
    load.send("valid", "random", "new")
    until(lambda: sum(load.counts()["random"]) >= 10000, 60)
    load.pause()
    seen = load.stop()
    fetches = corp.fetches()[begun:]
    times = [entry["begin"] / 1000 for entry in fetches]
    # Each is stamped before it begins, and connecting takes the one longer than the other: half a gap in all.
    span = times[-1] - times[0] if times else 0.0
    new = seen.pools["new"]
    table.check("flood: 10,000 random kids, each refused as unknown_key", seen.reasons("random") == {"unknown_key": 10000}, seen.reasons("random"))
    table.check(f"flood: at least {LEAST_RATE} requests/s", seen.rate >= LEAST_RATE and not seen.broken, (seen.rate, seen.broken))
    table.check("flood: at most one fetch a gap", times and (len(times) - 1) * GAP <= span + GAP / 2, (len(times), span))
    table.check("flood: no token of a known key is refused", not seen.refused("valid"), seen.refused("valid")[:3])
    late = seen.refused("new", since=new.first_ok)
    table.check("flood: a rotation in the middle is found, and then refuses nobody", new.first_ok > 0 and not late, (new.ok, late[:3]))
    first_miss = min((answer.sent for answer in seen.refused("new")), default=new.first_ok)
    following = [begin for begin in times if first_miss <= begin <= new.first_ok]
    table.check("flood: by the fetch that follows its first miss", new.first_ok > 0 and len(following) <= 1, following)
    pauses = ", ".join(f"{(b - a) * 1000:.0f}" for a, b in zip(times, times[1:]))
    table.note(f"{seen.rate:.0f} requests/s for {seen.seconds:.1f} s; {len(times)} fetches, {pauses} ms apart; "
               f"new keys passed {(new.first_ok - first_miss) * 1000:.0f} ms after their first miss")


def hanging_fetch(table, gateway):
    """The provider is stopped in the middle of a fetch, again and again; between, it is not."""
    corp = table.corp
    load = Load(gateway.port, "/corp")
    load.pool("valid", corp.tokens(60))
    load.send("valid")
    unknown = with_kid(corp.token(), "nobody")
    hung = 0
    for round_number in range(ROUNDS):
        rest()
        load.phase("calm")
        time.sleep(1)
        load.phase("")
        begun = len(corp.fetches())
        corp.send_signal(signal.SIGSTOP)
        gateway.get("/corp", with_kid(unknown, f"nobody-{round_number}"))
        load.phase("hang")
        time.sleep(1)
        load.phase("")
        load.pause()
        # All that was sent is answered. The fetch did hang: it arrives, though nobody asks again.
        corp.send_signal(signal.SIGCONT)
        hung += until(lambda: len(corp.fetches()) == begun + 1, 5)
        load.send("valid")
    seen = load.stop()
    table.check("hanging fetch: all requests are answered while it hangs", hung == ROUNDS, hung)
    table.check("hanging fetch: none is refused, none fails", not seen.others and not seen.broken, (seen.others[:3], seen.broken))
    table.check(f"hanging fetch: at least {LEAST_RATE} requests/s", seen.rate >= LEAST_RATE, seen.rate)

    def median(name, share):
        return statistics.median(phase.quantile(share) for phase in seen.phases if phase.name == name)

    for label, share in (("p50", 0.5), ("p99", 0.99)):
        calm, hang = median("calm", share), median("hang", share)
        table.note(f"{label} of known kids: {calm * 1e6:.0f} µs without, {hang * 1e6:.0f} µs beside a hanging fetch: {hang / calm:.2f} times")


def retired(table, gateway):
    """The brief tokens ended long ago."""
    verdict = gateway.verdict("brief", "ES256-1")
    table.check("used, and nothing outstanding for a lifetime: safe to retire", verdict == "safe to retire", verdict)
    verdict = gateway.verdict("brief", "RS256-1")
    table.check("never used: not said to be safe", verdict == "new and never used", verdict)
    metrics = gateway.ask("/metrics")[1]
    wanted = [name for name in ("portcullis_key_fetches_total", "portcullis_key_set_age_seconds", "portcullis_key_requests_total",
                                "portcullis_key_tokens_total") if name not in metrics]
    table.check("the metrics of keys are there", not wanted, wanted)
    table.check("the metrics have no kid of the flood", metrics.count("portcullis_key_tokens_total{") < 40,
                metrics.count("portcullis_key_tokens_total{"))
