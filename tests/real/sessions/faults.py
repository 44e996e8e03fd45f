"""Rows on a database that is stopped, killed, frozen, restarted, cut off, and gone for long: while clients go on."""

import time

from load import Load
from parts import STALE_FOR, until

# How long a fault lasts, and how long the clients go on after it.
FAULT = 4.0
AFTER = 4.0
# Within it all is as it was: the store is asked again after 1, 2 and 4 s, and a listener has to come back.
HEALED = 8.0
KINDS = ("valid token", "revoked token", "refresh", "sign-in")


def faults(setting):
    cluster = setting.cluster
    good, revoked, sessions = prepare(setting)
    brief = (
        ("stopped, fast", lambda: cluster.stop("fast"), cluster.start),
        ("stopped, immediate", lambda: cluster.stop("immediate"), cluster.start),
        ("frozen", cluster.freeze, cluster.thaw),
        ("restarted", cluster.restart, None),
        ("all connections cut", cluster.cut_connections, None),
    )
    lines = []
    for name, begin, end in brief:
        lines.append(one(setting, name, begin, end, FAULT if end else 0.0, sessions, good, revoked))
    show(setting, lines)


def prepare(setting):
    """A token to go on with, one that is revoked, and a session for each client."""
    one = setting.gateways[0]
    client = setting.clients["machine"]
    good, revoked = (one.form("/auth/token", client, grant_type="client_credentials").body["access_token"] for _ in range(2))
    one.form("/auth/revoke", client, token=revoked)
    known = all(until(lambda g=gateway: g.call(revoked).reason == "revoked", 2) for gateway in setting.gateways)
    setting.check("before the faults: one token is admitted and one is revoked", known and one.call(good).status == 200)
    return good, revoked, [gateway.sign_in(f"user-{number}") for number, gateway in enumerate(setting.gateways)]


def one(setting, name, begin, end, lasts, sessions, good, revoked):
    """The fault, with clients before, during and after it; what they saw."""
    load = Load(setting, sessions, good, revoked)
    load.start()
    time.sleep(1.0)
    begun = time.time()
    begin()
    time.sleep(lasts)
    if end:
        end()
    ended = time.time()
    until(lambda: all(load.healed(kind, ended) is not None and time.time() - ended > AFTER for kind in KINDS), HEALED + AFTER)
    load.end()
    # Before it, nothing was wrong.
    before = {kind: load.during(kind, 0, begun - 0.05) for kind in KINDS}
    setting.check(f"{name}: before it all is well", all(set(seen) <= {"as it should"} for seen in before.values()), before)
    saw = {kind: load.during(kind, begun, ended + AFTER) for kind in KINDS}
    healed = {kind: load.healed(kind, ended) for kind in KINDS}
    setting.check(f"{name}: valid tokens are admitted all the time", set(saw["valid token"]) == {"as it should"}, saw["valid token"])
    setting.check(f"{name}: the revoked token is refused all the time", set(saw["revoked token"]) == {"as it should"}, saw["revoked token"])
    for kind in ("refresh", "sign-in"):
        other = set(saw[kind]) - {"as it should"}
        setting.check(f"{name}: a {kind} is answered, or refused with 503", all(outcome.startswith("503 ") for outcome in other), saw[kind])
        setting.check(f"{name}: a {kind} works again within {HEALED:.0f} s", healed[kind] is not None and healed[kind] <= HEALED, healed[kind])
    alive = [setting.gateways[number].refresh(tokens) for number, tokens in enumerate(sessions)]
    setting.check(f"{name}: no client has lost its session", all(answer.status == 200 for answer, _ in alive), [answer.outcome for answer, _ in alive])
    sessions[:] = [tokens for _, tokens in alive]
    gone_on(setting, name, sessions)
    return name, saw, healed, {kind: load.slowest(kind, begun, ended + AFTER) for kind in KINDS}


def gone_on(setting, name, sessions):
    """What is revoked after the fault is refused at all within a second: nobody waits for the next poll of a store that was away."""
    client = setting.clients["machine"]
    token = setting.gateways[1].form("/auth/token", client, grant_type="client_credentials").body.get("access_token", "")
    answer = setting.gateways[2].form("/auth/revoke", client, token=token)
    refused = [until(lambda g=gateway: g.call(token).reason == "revoked", 1.0) for gateway in setting.gateways]
    setting.check(f"{name}: revocation goes on, refused at all within a second", answer.status == 200 and all(refused), (answer, refused))


def show(setting, lines):
    """As a table of Markdown."""
    setting.note("| what happened | valid tokens | revoked tokens | refreshes | sign-ins | slowest refresh, sign-in | healed |")
    setting.note("|---|---|---|---|---|---|---|")
    for name, saw, healed, slowest in lines:
        cells = [said(saw["valid token"], "admitted"), said(saw["revoked token"], "refused"), said(saw["refresh"], "made"), said(saw["sign-in"], "made")]
        known = [seconds for seconds in healed.values() if seconds is not None]
        well = f"{max(known):.1f} s" if len(known) == len(healed) else "not"
        setting.note(f"| {name} | {' | '.join(cells)} | {slowest['refresh']:.1f} s, {slowest['sign-in']:.1f} s | {well} |")


def said(seen, word):
    well = seen.get("as it should", 0)
    return ", ".join([f"{well} {word}", *(f"{count} {outcome}" for outcome, count in sorted(seen.items()) if outcome != "as it should")])


def gone_for_long(setting):
    """Longer than the list of revocations may be old."""
    cluster = setting.cluster
    good, revoked, sessions = prepare(setting)
    lenient = setting.gateway("lenient", fail="open")
    lenient.start()
    until(lambda: lenient.ask("/readyz")[0] == 200)
    members = setting.gateways
    # The gateways have polled within the last half second.
    cluster.stop("fast")
    gone = time.time()
    time.sleep(STALE_FOR - 3)
    answers = [gateway.call(good).outcome for gateway in members]
    setting.check(f"gone for {STALE_FOR - 3} s: valid tokens are admitted", answers == ["200"] * 3, answers)
    answers = [gateway.call(revoked).outcome for gateway in members]
    setting.check("and revoked ones refused", answers == ["401 revoked"] * 3, answers)
    time.sleep(max(0.0, gone + STALE_FOR + 1.5 - time.time()))
    answers = [gateway.call(token) for token in (good, revoked) for gateway in members]
    late = [answer.outcome for answer in answers]
    valid, refused = late[:3], late[3:]
    setting.check(f"gone for more than {STALE_FOR} s: valid tokens are 503 revocation_unavailable", valid == ["503 revocation_unavailable"] * 3, valid)
    setting.check("with Retry-After", all(answer.fields.get("retry-after") for answer in answers[:3]), answers[0])
    setting.check("and revoked ones are not admitted", not any(outcome.startswith("2") for outcome in refused), refused)
    answer = members[0].wire().ask(b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")
    setting.check("a route without tokens serves", answer.status == 200, answer)
    ready = [gateway.ask("/readyz?verbose") for gateway in members]
    setting.check("/readyz is 503 and says why", all(status == 503 and "revocations" in text for status, text in ready), ready[0])
    answers = (lenient.call(good).outcome, lenient.call(revoked).outcome)
    setting.check("fail = \"open\": valid admitted, revoked refused", answers == ("200", "401 revoked"), answers)
    ready = lenient.ask("/readyz?verbose")
    setting.check("fail = \"open\": /readyz says that it is degraded", ready[0] == 200 and "degraded" in ready[1], ready)
    cluster.start()
    begun = time.time()
    well = until(lambda: all(gateway.call(good).status == 200 for gateway in members), HEALED + 30)
    setting.check("started again: valid tokens are admitted", well, members[0].call(good))
    setting.note(f"after {STALE_FOR} s without the store: 503 revocation_unavailable; healed {time.time() - begun:.1f} s after its start")
    alive = [gateway.refresh(tokens)[0].outcome for gateway, tokens in zip(members, sessions, strict=True)]
    setting.check("no client has lost its session", alive == ["200"] * 3, alive)
    lenient.end()


def lost_listener(setting):
    """The connections that hear of revocations are cut again and again, while tokens are revoked: none is missed."""
    client = setting.clients["machine"]
    members = setting.gateways
    tokens = [members[number % 3].form("/auth/token", client, grant_type="client_credentials").body["access_token"] for number in range(60)]
    cut, answers = 0, []
    for number, token in enumerate(tokens):
        if number % 3 == 0:
            cut += setting.cluster.cut_connections("query ILIKE 'LISTEN%'")
        answer = members[number % 3].form("/auth/revoke", client, token=token)
        answers.append(answer.outcome)
        if number % 10 == 9:
            time.sleep(0.3)
    setting.check(f"{cut} listening connections cut while {len(tokens)} tokens are revoked", cut >= 3 and set(answers) == {"200"}, (cut, set(answers)))
    begun = time.time()
    missed = [(number, index) for number, token in enumerate(tokens) for index, gateway in enumerate(members, 1)
              if not until(lambda g=gateway, t=token: g.call(t).reason == "revoked", max(0.05, begun + 1.0 - time.time()))]
    setting.check("all are refused at all within a second of the last", not missed, missed[:10])
