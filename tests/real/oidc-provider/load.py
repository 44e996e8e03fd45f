"""A paced load over kept connections, in a process of its own, that knows for each answer when its request was sent.

What wrk cannot do: change the tokens while it runs, and say which refusals came before and which after an event.
"""

import json
import multiprocessing
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

CONNECTIONS = 16


@dataclass
class Answer:
    """One that was not 200. Times are seconds since the epoch."""

    pool: str
    sent: float
    done: float
    status: int
    reason: str


@dataclass
class Pool:
    """Tokens of one kind, sent in turn."""

    tokens: list
    once: bool = False
    next: int = 0
    sent: int = 0
    ok: int = 0
    # When the first that passed was answered, and when the last that passed was sent.
    first_ok: float = 0.0
    last_ok: float = 0.0


@dataclass
class Phase:
    """What was seen between two marks."""

    name: str
    begin: float = 0.0
    end: float = 0.0
    latencies: list = field(default_factory=list)
    unanswered: int = 0

    def quantile(self, share):
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass
class Result:
    """What a load saw: `pools` by name, the `phases`, and every answer that was not 200."""

    pools: dict
    phases: list
    others: list
    broken: int
    seconds: float

    @property
    def sent(self):
        return sum(pool.sent for pool in self.pools.values())

    @property
    def rate(self):
        return self.sent / max(self.seconds, 1e-9)

    def refused(self, pool, since=0.0):
        return [answer for answer in self.others if answer.pool == pool and answer.sent >= since]

    def reasons(self, pool):
        return Counter(answer.reason or str(answer.status) for answer in self.others if answer.pool == pool)


class Connection:
    """One request at a time."""

    def __init__(self, address):
        self.address = address
        self.socket = None
        self.buffer = b""
        self.pool = None
        self.sent = 0.0

    def connect(self, selector):
        self.close(selector)
        self.socket = socket.create_connection(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self.socket, selectors.EVENT_READ, self)

    def close(self, selector):
        if self.socket:
            selector.unregister(self.socket)
            self.socket.close()
            self.socket = None

    def answer(self):
        """The status and the body, once they are whole."""
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return None
        return int(head[9:12]), rest


class Client:
    """The process's side: requests go out as they are due, on whichever connection is free."""

    def __init__(self, pipe, address, path, rate):
        self.pipe, self.rate = pipe, rate
        self.path = path
        self.selector = selectors.DefaultSelector()
        self.selector.register(pipe, selectors.EVENT_READ, None)
        self.connections = [Connection(address) for _ in range(CONNECTIONS)]
        self.free = list(self.connections)
        self.pools, self.active = {}, []
        self.phases = [Phase("", time.time())]
        self.others, self.broken = [], 0
        self.pausing = False

    def run(self):
        for connection in self.connections:
            connection.connect(self.selector)
        begin = due = time.time()
        idle = 0.0
        turn = 0
        while True:
            now = time.time()
            if not self.active or self.pausing:
                idle += now - due
                due = now
            while self.active and not self.pausing and due <= now and self.free:
                turn += 1
                self.send(self.active[turn % len(self.active)])
                due += 1 / self.rate
            # What a busy machine kept back is sent later, but not more than a second of it.
            due = max(due, now - 1)
            # Half a millisecond: finer than the system's timer, which has whole ones here.
            for key, _ in self.selector.select(0.0005):
                if key.data is not None:
                    self.read(key.data)
                elif not self.obey():
                    self.finish(time.time() - begin - idle)
                    return
            if self.pausing and len(self.free) == len(self.connections):
                self.pausing = False
                self.active = []
                self.pipe.send(time.time())

    def send(self, name):
        pool = self.pools[name]
        if pool.next == len(pool.tokens):
            if pool.once:
                self.active.remove(name)
                return
            pool.next = 0
        token = pool.tokens[pool.next]
        pool.next += 1
        connection = self.free.pop()
        connection.pool, connection.buffer = name, b""
        connection.sent = time.time()
        pool.sent += 1
        try:
            connection.socket.sendall(f"GET {self.path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        except OSError:
            self.broke(connection)

    def broke(self, connection):
        self.broken += 1
        connection.connect(self.selector)
        if connection not in self.free:
            self.free.append(connection)

    def read(self, connection):
        try:
            data = connection.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            return self.broke(connection)
        connection.buffer += data
        answer = connection.answer()
        if answer is None:
            return None
        done = time.time()
        self.free.append(connection)
        status, body = answer
        pool = self.pools[connection.pool]
        if status == 200:
            pool.ok += 1
            pool.first_ok = pool.first_ok or done
            pool.last_ok = max(pool.last_ok, connection.sent)
            self.phases[-1].latencies.append(done - connection.sent)
        else:
            try:
                reason = json.loads(body).get("reason", "")
            except ValueError:
                reason = ""
            self.others.append(Answer(connection.pool, connection.sent, done, status, reason))
        return None

    def obey(self):
        command, *rest = self.pipe.recv()
        if command == "pool":
            name, tokens, once = rest
            self.pools[name] = Pool(tokens, once)
        elif command == "send":
            self.active = list(rest[0])
        elif command == "pause":
            self.pausing = True
        elif command == "phase":
            self.mark(rest[0])
        elif command == "counts":
            self.pipe.send({name: (pool.sent, pool.ok) for name, pool in self.pools.items()})
        return command != "stop"

    def mark(self, name):
        now = time.time()
        self.phases[-1].end = now
        self.phases[-1].unanswered = len(self.connections) - len(self.free)
        self.phases.append(Phase(name, now))

    def finish(self, seconds):
        self.mark("")
        self.pipe.send(Result(self.pools, self.phases[:-1], self.others, self.broken, seconds))


def client(pipe, *arguments):
    Client(pipe, *arguments).run()


class Load:
    """Our side."""

    def __init__(self, port, path="/api", rate=3000):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=client, args=(theirs, ("127.0.0.1", port), path, rate), daemon=True
        )
        self.process.start()

    def pool(self, name, tokens, once=False):
        self.pipe.send(("pool", name, tokens, once))

    def send(self, *names):
        """From now on the tokens of these pools, in turn."""
        self.pipe.send(("send", names))

    def phase(self, name):
        self.pipe.send(("phase", name))

    def counts(self):
        """How many were sent, and how many passed, of each pool."""
        self.pipe.send(("counts",))
        return self.pipe.recv()

    def pause(self):
        """Sends no more, and returns when all that was sent is answered."""
        self.pipe.send(("pause",))
        return self.pipe.recv()

    def stop(self):
        self.pipe.send(("stop",))
        result = self.pipe.recv()
        self.process.join(10)
        return result
