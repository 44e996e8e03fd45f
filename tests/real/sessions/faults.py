"""Rows on a database that is stopped, killed, frozen, restarted, cut off, and gone for long: while clients go on."""

import time

from deaths import watched_start
from load import Load
from parts import STALE_FOR, request, until

# How long a fault lasts, and how long the clients go on after it.
FAULT = 2.5
AFTER = 2.5
# Within it all is as it was: the store is asked again after 1, 2 and 4 s, and a listener has to come back.
HEALED = 8.0
KINDS = ("valid token", "revoked token", "refresh", "sign-in")


def faults(setting):
    cluster = setting.cluster
    sessions = setting.sign_in_many(3)
    brief = (
        ("stopped, fast", lambda: cluster.stop("fast"), cluster.start),
        ("stopped, immediate", lambda: cluster.stop("immediate"), cluster.start),
        ("frozen", cluster.freeze, cluster.thaw),
        ("restarted", cluster.restart, None),
        ("all connections cut", cluster.cut_connections, None),
    )
    lines = []
    for name, begin, end in brief:
        lines.append(one(setting, name, begin, end, FAULT if end else 0.0, sessions))
    show(setting, lines)


def one(setting, name, begin, end, lasts, sessions):
    """The fault, with clients before, during and after it; what they saw."""
    load = Load(setting, sessions)
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
    before = {kind: load.before(kind, begun) for kind in KINDS}
    setting.check(f"{name}: before it all is well", all(set(seen) <= {"as it should"} for seen in before.values()), before)
    saw = {kind: load.during(kind, begun, ended + AFTER) for kind in KINDS}
    healed = {kind: load.healed(kind, ended) for kind in KINDS}
    setting.check(f"{name}: valid tokens are admitted all the time", set(saw["valid token"]) == {"as it should"}, saw["valid token"])
    setting.check(f"{name}: the revoked token is refused all the time", set(saw["revoked token"]) == {"as it should"}, saw["revoked token"])
    for kind in ("refresh", "sign-in"):
        other = set(saw[kind]) - {"as it should"}
        setting.check(f"{name}: a {kind} is answered, or refused with 503", all(outcome.startswith("503 ") for outcome in other), saw[kind])
        setting.check(f"{name}: a {kind} works again within {HEALED:.0f} s", healed[kind] is not None and healed[kind] <= HEALED, healed[kind])
    alive(setting, name, sessions)
    gone_on(setting, name)
    return name, saw, healed, {kind: load.slowest(kind, begun, ended + AFTER) for kind in KINDS}


def alive(setting, name, sessions):
    """Each client goes on with the refresh token that it has."""
    answers = [gateway.refresh(tokens) for gateway, tokens in zip(setting.gateways, sessions, strict=True)]
    seen = [answer.outcome for answer, _ in answers]
    setting.check(f"{name}: no client has lost its session", seen == ["200"] * 3, seen)
    sessions[:] = [tokens for _, tokens in answers]


def gone_on(setting, name):
    """What is revoked after the fault is refused at all within a second: nobody waits for the next poll of a store that was away."""
    token = setting.machine(1)
    answer = setting.gateways[2].form("/auth/revoke", setting.clients["machine"], token=token)
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
    """Longer than the list of revocations may be old, and a gateway that starts meanwhile has it from its disk alone."""
    members, cluster = setting.gateways, setting.cluster
    sessions = setting.sign_in_many(3)
    lenient = setting.gateway("lenient", fail="open")
    lenient.start()
    until(lambda: lenient.ask("/readyz")[0] == 200)
    load = Load(setting, sessions)
    load.start()
    time.sleep(1.0)
    # The gateways have asked within the last half second.
    cluster.stop("fast")
    gone = time.time()
    load.pause(0)
    started_without(setting, members[0])
    load.go_on(0)
    time.sleep(max(0.0, gone + STALE_FOR - 2.5 - time.time()))
    answers = [gateway.call(token).outcome for token in (setting.good, setting.revoked) for gateway in members[1:]]
    setting.check(f"gone for less than {STALE_FOR} s: valid tokens are admitted, and revoked ones refused",
                  answers == ["200"] * 2 + ["401 revoked"] * 2, answers)
    time.sleep(max(0.0, gone + STALE_FOR + 1.5 - time.time()))
    load.pause(0)
    too_old(setting, lenient)
    begun = time.time()
    cluster.start()
    well = until(lambda: all(gateway.call(setting.good).status == 200 for gateway in members), HEALED + 30)
    load.go_on(0)
    setting.check("started again: valid tokens are admitted", well, members[0].call(setting.good))
    until(lambda: all(load.healed(kind, begun) is not None and time.time() - begun > AFTER for kind in KINDS), HEALED + 30)
    load.end()
    name = f"gone for {begun - gone:.0f} s"
    admitted = load.during("revoked token", gone, time.time())
    setting.check(f"{name}: revoked tokens are never admitted", not any(outcome.startswith("2") for outcome in admitted), admitted)
    alive(setting, name, sessions)
    gone_on(setting, name)
    show(setting, [(name, {kind: load.during(kind, gone, time.time()) for kind in KINDS}, {kind: load.healed(kind, begun) for kind in KINDS},
                    {kind: load.slowest(kind, gone, time.time()) for kind in KINDS})])
    lenient.end()


def started_without(setting, victim):
    """The store is away, and the copy on the disk is young."""
    victim.end()
    answers = watched_start(victim, setting.revoked)
    setting.check("started without the store: what was revoked is refused from the first answer on",
                  set(answers) <= {"401 revoked", "503 revocation_unavailable"} and answers[-1:] == ["401 revoked"], answers[:5])
    answer = victim.call(setting.good)
    setting.check("and what was not is admitted", answer.status == 200, answer)
    answer = victim.form("/auth/login", username="user-0", password="user-0" * 4)
    setting.check("a sign-in without the store is 503", answer.status == 503, answer)


def too_old(setting, lenient):
    """The store is away, and the list is older than it may be: of those who run, and on the disk."""
    members = setting.gateways
    answers = [gateway.call(setting.good) for gateway in members]
    valid = [answer.outcome for answer in answers]
    setting.check(f"gone for more than {STALE_FOR} s: valid tokens are 503 revocation_unavailable", valid == ["503 revocation_unavailable"] * 3, valid)
    setting.check("with Retry-After", all(answer.fields.get("retry-after") for answer in answers), answers[0])
    refused = [gateway.call(setting.revoked).outcome for gateway in members]
    setting.check("and revoked ones are not admitted", not any(outcome.startswith("2") for outcome in refused), refused)
    answer = members[1].wire().ask(request("GET", "/open", {}))
    setting.check("a route without tokens serves", answer.status == 200, answer)
    ready = [gateway.ask("/readyz?verbose") for gateway in members]
    setting.check("/readyz is 503 and says why", all(status == 503 and "[-] revocations" in text for status, text in ready), ready[0])
    answers = (lenient.call(setting.good).outcome, lenient.call(setting.revoked).outcome)
    setting.check('fail = "open": valid admitted, revoked refused', answers == ("200", "401 revoked"), answers)
    ready = lenient.ask("/readyz?verbose")
    setting.check('fail = "open": /readyz is 200 and says what is wrong', ready[0] == 200 and "[!] revocations" in ready[1], ready)
    victim = members[0]
    victim.end()
    victim.start()
    answers = [victim.call(token).outcome for token in (setting.good, setting.revoked)]
    setting.check("started with a list that is too old: 503", answers[0] == "503 revocation_unavailable" and not answers[1].startswith("2"), answers)


def lost_listener(setting):
    """The connections that hear of revocations are cut again and again, while tokens are revoked: none is missed."""
    client = setting.clients["machine"]
    members = setting.gateways
    tokens = [setting.machine(number % 3) for number in range(60)]
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
