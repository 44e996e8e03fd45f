"""Rows on gateways that die and come back: no client loses its session, and nothing is admitted that should not be."""

import threading
import time

from parts import calling, form, refreshing

# Clients that refresh while their gateway is killed, and how often it is.
FAMILIES = 30
KILLS = 4


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
        answers = watched_start(victim, setting.revoked)
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
