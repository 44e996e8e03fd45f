"""Rows on gateways that die and come back: no client loses its session, and nothing is admitted that should not be."""

import threading
import time

from parts import STALE_FOR, calling, form, refreshing, until

# Clients that refresh while their gateway is killed, and how often it is.
FAMILIES = 45
KILLS = 5


class Client(threading.Thread):
    """Refreshes at one gateway as fast as it can; when that is gone, at the others, with what it had."""

    def __init__(self, setting, tokens, first, ending):
        super().__init__(daemon=True)
        self.members, self.tokens, self.ending = setting.gateways, tokens, ending
        self.turn = first
        self.made = self.repeated = 0
        self.lost = None

    def run(self):
        wires = [gateway.wire(3) for gateway in self.members]
        unsure = False
        while not self.ending.is_set():
            answer = wires[self.turn].ask(form("/auth/token", **refreshing(self.tokens)))
            if answer.status == 200:
                self.tokens = type(self.tokens).of(answer, self.tokens)
                self.made += 1
                self.repeated += unsure
                unsure = False
            elif answer.status in (0, 503):
                # Nobody knows whether it was done.
                unsure = unsure or answer.reason == "cut off"
                self.turn = (self.turn + 1) % 3
                time.sleep(0.02)
            else:
                self.lost = answer.outcome
                break
            time.sleep(0.05)
        for wire in wires:
            wire.close()


def killed(setting):
    """One after the other dies in the middle of refreshes, and comes back."""
    client = setting.clients["machine"]
    revoked = setting.gateways[0].form("/auth/token", client, grant_type="client_credentials").body["access_token"]
    setting.gateways[0].form("/auth/revoke", client, token=revoked)
    ending = threading.Event()
    sessions = setting.sign_in_many(FAMILIES)
    clients = [Client(setting, tokens, number % 3, ending) for number, tokens in enumerate(sessions)]
    for one in clients:
        one.start()
    admitted, firsts = [], []
    for number in range(KILLS):
        time.sleep(0.7)
        victim = setting.gateways[number % 3]
        for one in clients:
            one.turn = number % 3
        time.sleep(0.2)
        victim.kill()
        time.sleep(0.3)
        answers = watched_start(victim, revoked)
        admitted += [outcome for outcome in answers if outcome.startswith("2")]
        firsts.append(answers[-1] if answers else "nothing")
    time.sleep(0.5)
    ending.set()
    for one in clients:
        one.join()
    lost = [one.lost for one in clients if one.lost]
    setting.check(f"{KILLS} times a gateway is killed while {FAMILIES} clients refresh: no client has lost its session", not lost, lost[:5])
    setting.note(f"{sum(one.made for one in clients)} refreshes, {sum(one.repeated for one in clients)} repeated after an answer was lost")
    setting.check("some answers were lost", sum(one.repeated for one in clients) > 0)
    setting.check("the one that comes back never admits what was revoked", not admitted and set(firsts) == {"401 revoked"}, (admitted, firsts))
    told = setting.cluster.query("SELECT count(*) FROM audit WHERE action = 'session.reused' AND session_id IN ("
                                 + ", ".join(f"'{one.tokens.session}'" for one in clients) + ")")
    setting.check("nobody said that a token was reused", told == ["0"], told)
    dead = [one.tokens.session for one in clients if setting.gateways[0].refresh(one.tokens)[0].status != 200]
    setting.check("each goes on with what it has", not dead, dead[:3])


def watched_start(gateway, token):
    """Starts it and asks from the first moment. All answers up to the first refusal for being revoked, or for long."""
    answers, ready = [], threading.Event()

    def ask():
        wire = gateway.wire(3)
        deadline = time.time() + 20
        while time.time() < deadline:
            outcome = wire.ask(calling(token)).outcome
            if outcome not in ("refused connection", "cut off"):
                answers.append(outcome)
            if outcome == "401 revoked":
                break
            time.sleep(0.002)
        wire.close()
        ready.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    gateway.start()
    ready.wait(25)
    thread.join()
    return answers


def without_the_store(setting):
    """A gateway that starts while the store is away has the list on its disk, and for a time only."""
    client = setting.clients["machine"]
    victim = setting.gateways[0]
    good, revoked = (victim.form("/auth/token", client, grant_type="client_credentials").body["access_token"] for _ in range(2))
    victim.form("/auth/revoke", client, token=revoked)
    # It is written at most once in some seconds.
    time.sleep(6)
    setting.cluster.stop("fast")
    gone = time.time()
    victim.end()
    answers = watched_start(victim, revoked)
    setting.check("started without the store: what was revoked is refused from the first answer on",
                  set(answers) <= {"401 revoked", "503 revocation_unavailable"} and answers[-1:] == ["401 revoked"], answers[:5])
    # Only as long as the list is young.
    if time.time() - gone < STALE_FOR - 2:
        answer = victim.call(good)
        setting.check("and what was not is admitted", answer.status == 200, answer)
    time.sleep(max(0.0, gone + STALE_FOR + 1.5 - time.time()))
    answers = [victim.call(token).outcome for token in (good, revoked)]
    setting.check(f"older than {STALE_FOR} s: 503 revocation_unavailable", answers[0] == "503 revocation_unavailable", answers)
    setting.check("and what was revoked is not admitted", not answers[1].startswith("2"), answers)
    victim.end()
    victim.start()
    answers = [victim.call(token).outcome for token in (good, revoked)]
    setting.check("started with a list that is too old: 503", answers[0] == "503 revocation_unavailable" and not answers[1].startswith("2"), answers)
    answer = victim.form("/auth/login", username="user-0", password="user-0" * 4)
    setting.check("a sign-in without the store is 503", answer.status == 503, answer)
    setting.cluster.start()
    well = until(lambda: victim.call(good).status == 200, 40)
    setting.check("the store is back: admitted", well, victim.call(good))
    answer = victim.call(revoked)
    setting.check("and what was revoked is refused", answer.outcome == "401 revoked", answer)
