"""Clients that go on while something happens to the store: each keeps what it saw, and when."""

import threading
import time
from collections import Counter
from dataclasses import dataclass

from parts import calling, form, refreshing

# What a client waits for an answer before it gives up.
PATIENCE = 20.0


@dataclass
class Seen:
    kind: str
    gateway: int
    sent: float
    done: float
    outcome: str


class Load:
    """Valid and revoked tokens, refreshes and sign-ins at every gateway, until it is ended."""

    def __init__(self, setting, sessions):
        self.setting, self.sessions = setting, sessions
        self.seen, self.lock = [], threading.Lock()
        self.ending = threading.Event()
        # Gateways that nobody asks now, because a row restarts them.
        self.paused = set()
        jobs = [(self.calls, number, "valid token", setting.good) for number in range(3)]
        jobs += [(self.calls, number, "revoked token", setting.revoked) for number in range(3)]
        jobs += [(self.refreshes, number) for number in range(3)]
        jobs += [(self.sign_ins, number) for number in range(3)]
        self.threads = [threading.Thread(target=job, args=rest, daemon=True) for job, *rest in jobs]

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def pause(self, number):
        self.paused.add(number)
        time.sleep(1.0)

    def go_on(self, number):
        self.paused.discard(number)

    def note(self, kind, number, answer, wanted="200"):
        outcome = answer.outcome
        with self.lock:
            self.seen.append(Seen(kind, number, answer.sent, answer.done, "as it should" if outcome == wanted else outcome))

    def calls(self, number, kind, token):
        wire = self.setting.gateways[number].wire(PATIENCE)
        wanted = "200" if kind == "valid token" else "401 revoked"
        while not self.ending.wait(0.01):
            if number in self.paused:
                wire.close()
                continue
            self.note(kind, number, wire.ask(calling(token)), wanted)
        wire.close()

    def refreshes(self, number):
        """A client that repeats itself with what it has until it is answered; each time at the next gateway."""
        wires = [gateway.wire(PATIENCE) for gateway in self.setting.gateways]
        turn = number
        while not self.ending.wait(0.05):
            turn = (turn + 1) % 3
            if turn in self.paused:
                wires[turn].close()
                continue
            tokens = self.sessions[number]
            answer = wires[turn].ask(form("/auth/token", **refreshing(tokens)))
            if answer.status == 200:
                self.sessions[number] = type(tokens).of(answer, tokens)
            self.note("refresh", turn, answer)
        for wire in wires:
            wire.close()

    def sign_ins(self, number):
        wire = self.setting.gateways[number].wire(PATIENCE)
        name = f"user-{number}"
        while not self.ending.wait(0.2):
            if number in self.paused:
                wire.close()
                continue
            self.note("sign-in", number, wire.ask(form("/auth/login", username=name, password=name * 4)))
        wire.close()

    def during(self, kind, begin, end):
        """What was answered to requests of that time: how many as they should, and the others."""
        return Counter(seen.outcome for seen in self.seen if seen.kind == kind and begin <= seen.done and seen.sent <= end)

    def before(self, kind, end):
        """The same, of what was answered by then."""
        return Counter(seen.outcome for seen in self.seen if seen.kind == kind and seen.done < end)

    def slowest(self, kind, begin, end):
        return max((seen.done - seen.sent for seen in self.seen if seen.kind == kind and begin <= seen.done and seen.sent <= end), default=0.0)

    def healed(self, kind, since):
        """Seconds from then until there are good answers and no others. `None`: it never was well again."""
        of = [seen for seen in self.seen if seen.kind == kind and seen.done >= since]
        bad = max((seen.done for seen in of if seen.outcome != "as it should"), default=since)
        good = min((seen.done for seen in of if seen.outcome == "as it should" and seen.done >= bad), default=None)
        return None if good is None else good - since
