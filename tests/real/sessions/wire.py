"""Requests over sockets that stay open: one by one, as fast as they go; and many at the same time."""

import json
import selectors
import socket
import time
from dataclasses import dataclass, field


@dataclass
class Answer:
    """Status 0: there was none, and `reason` says why. Times are seconds since the epoch."""

    status: int
    reason: str = ""
    body: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    sent: float = 0.0
    done: float = 0.0

    @property
    def outcome(self):
        """As a table shows it."""
        return " ".join(part for part in (str(self.status) if self.status else "", self.reason) if part)


def request(method, path, fields, body=b""):
    """Its bytes. The host is the issuer's."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in fields.items())]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Wire:
    """A connection that is opened again when the gateway has closed it."""

    def __init__(self, port, timeout=20.0):
        self.port, self.timeout = port, timeout
        self.socket = None
        self.buffer = b""

    def open(self):
        if self.socket is None:
            self.buffer = b""
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def ask(self, data):
        """Sends a request and reads its answer."""
        sent = time.time()
        try:
            self.open()
            self.socket.sendall(data)
            while (answer := self.take()) is None:
                self.feed()
        except TimeoutError:
            answer = Answer(0, "no answer")
        except OSError as error:
            answer = Answer(0, "refused connection" if isinstance(error, ConnectionRefusedError) else "cut off")
        if not answer.status or answer.fields.get("connection") == "close":
            self.close()
        answer.sent, answer.done = sent, time.time()
        return answer

    def feed(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self.buffer += data

    def take(self):
        """The answer, once it is whole."""
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(fields.get("content-length", "0"))
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        status = int(status[9:12])
        try:
            body = json.loads(rest[:length])
        except ValueError:
            body = {}
        if not isinstance(body, dict):
            body = {"": body}
        reason = "" if status < 400 else str(body.get("reason") or body.get("error") or "")
        return Answer(status, reason, body, fields)


def burst(wires, requests, patience=30.0):
    """Sends one request over each connection, all of them before the first answer is read. The answers, in that order."""
    for wire in wires:
        wire.open()
    answers = [None] * len(wires)
    with selectors.DefaultSelector() as selector:
        for number, wire in enumerate(wires):
            selector.register(wire.socket, selectors.EVENT_READ, number)
        sent = time.time()
        for wire, data in zip(wires, requests, strict=True):
            wire.socket.sendall(data)
        waiting = len(wires)
        while waiting and time.time() < sent + patience:
            for key, _ in selector.select(0.2):
                number = key.data
                wire = wires[number]
                try:
                    wire.feed()
                    answer = wire.take()
                except OSError:
                    answer = Answer(0, "cut off")
                if answer is None:
                    continue
                answer.sent, answer.done = sent, time.time()
                answers[number] = answer
                selector.unregister(wire.socket)
                waiting -= 1
    for number, wire in enumerate(wires):
        if answers[number] is None:
            answers[number] = Answer(0, "no answer", sent=sent, done=time.time())
        if not answers[number].status or answers[number].fields.get("connection") == "close":
            wire.close()
    return answers
