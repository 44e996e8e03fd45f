"""Rows on a provider that is gone, with a copy of its keys on disk and without."""

import json
import signal
import time
from collections import Counter

from load import Load
from parts import until
from setting import LEAST_RATE


def outage(table, gateway, generation):
    corp = table.corp
    known, fresh, after = corp.tokens(60), corp.tokens(400), corp.tokens(20)
    emergency(table, generation)
    load = Load(gateway.port, "/corp")
    load.pool("known", known)
    load.pool("fresh", fresh, once=True)
    load.send("known")
    time.sleep(0.5)
    corp.end(signal.SIGKILL)
    load.send("known", "fresh")
    gateway.command("keys", "refresh", "corp")
    until(lambda: load.counts()["fresh"][0] >= 400)
    time.sleep(1)
    load.pause()
    seen = load.stop()
    table.check("provider killed: traffic passes, tokens never seen before too", not seen.others and seen.pools["fresh"].ok == 400, seen.others[:3])
    table.check(f"provider killed: at least {LEAST_RATE} requests/s", seen.rate >= LEAST_RATE and not seen.broken, (seen.rate, seen.broken))
    table.check("provider killed: ready", gateway.ask("/readyz")[0] == 200, gateway.ask("/readyz?verbose"))
    url = f"localhost:{corp.port}"
    table.check("provider killed: /status says what failed", until(lambda: url in failure(gateway, "corp")), failure(gateway, "corp"))
    code, said = gateway.command("check", "--online")
    table.check("provider killed: check --online says 69, and names it", code == 69 and url in said, (code, said))
    code, said = gateway.command("check")
    table.check("provider killed: check without --online says 0", code == 0, (code, said))

    gateway.restart()
    answers = Counter(gateway.get("/corp", token)[:2] for token in after)
    table.check("gateway restarted: traffic passes, with the keys on disk", answers == {(200, ""): 20}, answers)
    table.check("gateway restarted: ready", gateway.ask("/readyz")[0] == 200, gateway.ask("/readyz?verbose"))

    gateway.end()
    kept = list((gateway.state / "key-sets").glob("corp.*"))
    modes = {oct(path.stat().st_mode & 0o777) for path in kept} | {oct((gateway.state / "key-sets").stat().st_mode & 0o777)}
    table.check("the copy on disk is private", len(kept) == 1 and modes == {"0o600", "0o700"}, (kept, modes))
    for path in kept:
        path.unlink()
    gateway.start()
    response, body = gateway.request(gateway.port, "GET", "/corp", {"Authorization": f"Bearer {after[0]}"})
    wait = response.headers.get("Retry-After", "")
    named = response.status == 503 and json.loads(body)["reason"] == "keys_unavailable"
    table.check("no copy on disk: 503 keys_unavailable with Retry-After", named and wait.isdigit() and int(wait) > 0, (response.status, wait, body))
    ready = gateway.ask("/readyz")
    table.check("no copy on disk: /readyz is 503 and names the issuer", ready[0] == 503 and "corp" in ready[1], ready)
    table.check("no copy on disk: the public route serves", gateway.get("/open")[0] == 200, gateway.get("/open"))
    other = table.many.token(mount="/often")
    table.check("no copy on disk: the other issuer serves", gateway.passes(other, "/often"), gateway.get("/often", other))

    process = gateway.process.pid
    begun = time.time()
    corp.start()
    healed = until(lambda: gateway.passes(after[1], "/corp"), 70)
    table.check("provider started: heals without a restart", healed and gateway.process.pid == process and gateway.runs, gateway.get("/corp", after[1]))
    table.check("provider started: ready", until(lambda: gateway.ask("/readyz")[0] == 200), gateway.ask("/readyz?verbose"))
    table.check("provider started: its new tokens pass", gateway.passes(corp.token(), "/corp"))
    table.note(f"healed {time.time() - begun:.1f} s after the provider was started")


def emergency(table, generation):
    """A second source of one issuer: a file beside discovery, for when neither provider nor disk has keys."""
    corp = table.corp
    corp.rotate("", "emergency")
    (table.directory / "emergency.json").write_bytes(corp.key_set())
    table.emergency_token = corp.token()
    corp.rotate("", str(generation))


def second_source(table):
    """While the provider is down: the file's keys alone."""
    keys = "[{ discovery = true, ca = 'ca.pem' }, { jwks_file = 'emergency.json' }]"
    gateway = table.gateway("second", table.corp_issuer(keys))
    token = table.corp.token()
    table.corp.end()
    gateway.start()
    answer = gateway.get("/corp", table.emergency_token)
    table.check("several sources, the provider down: the file's keys serve", answer[0] == 200, answer)
    table.check("several sources, the provider down: its own are unknown", gateway.get("/corp", token)[0] in (401, 503), gateway.get("/corp", token))
    table.corp.start()
    table.check("several sources, the provider up: both serve",
                until(lambda: gateway.passes(token, "/corp"), 70) and gateway.passes(table.emergency_token, "/corp"))
    gateway.end()


def failure(gateway, name):
    """What /status says of the issuer's sources, as text."""
    return json.dumps([entry for entry in walk(gateway.status()) if entry.get("issuer") == name and "last_error" in entry])


def walk(value):
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from walk(member)
    elif isinstance(value, list):
        for member in value:
            yield from walk(member)
