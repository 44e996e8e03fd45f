"""Three gateways before one store, and what clients do with them."""

import base64
import json
import secrets
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from processes import Gateway, Rows, Upstream, free_port, until  # noqa: E402, F401

from cluster import Cluster  # noqa: E402
from wire import Answer, Wire, burst, request  # noqa: E402, F401

# How old the list of revocations may become: the least that the configuration takes is 10 s, and that of the copy on the disk
# may be 5 s behind.
STALE_FOR = 14
USERS = 6

CONFIG = """
[server]
listen = ["127.0.0.1:{{port}}"]
workers = 2
[admin]
listen = "127.0.0.1:{{admin}}"
[log]
format = "json"
access = false
[store]
url = "{store}"
fail = "{fail}"
stale_for = "{stale_for}s"
[local_issuer]
issuer = "http://localhost:{issuer}/auth"
audience = "demo"
encryption_key = "{key}"
{more}
[claim_headers]
X-Auth-Subject = "sub"
X-Auth-Issuer = "iss"
X-Auth-Roles = "roles"
[[upstreams]]
name = "nginx"
urls = ["http://127.0.0.1:{{upstream}}"]
[[routes]]
name = "api"
path = "/api"
upstream = "nginx"
[[routes]]
name = "open"
path = "/open"
upstream = "nginx"
auth = "none"
"""


@dataclass
class Tokens:
    """What a sign-in or a refresh gave."""

    access: str
    refresh: str
    session: str

    @classmethod
    def of(cls, answer, before=None):
        body = answer.body
        return cls(body["access_token"], body.get("refresh_token", ""), body.get("session") or (before.session if before else ""))


class Setting(Rows):
    """The processes of all rows. The store is PostgreSQL, or a file of SQLite that one gateway has."""

    def __init__(self, binary, directory, fsync=False):
        super().__init__(binary, directory)
        self.upstream = self.part(Upstream(directory))
        self.cluster = Cluster(directory, fsync)
        self.issuer_port = free_port()
        self.key = secrets.token_urlsafe(32)
        self.gateways = []
        self.clients = {}

    def start(self, count=3):
        self.upstream.start()
        self.cluster.create()
        self.cluster.start()
        for number in range(1, count + 1):
            self.gateways.append(self.gateway(f"gateway-{number}"))
        # The first makes the tables and the key.
        for gateway in self.gateways:
            gateway.start()
        for gateway in self.gateways:
            if not until(lambda: gateway.ask("/readyz")[0] == 200, 30):
                raise RuntimeError(f"not ready: {gateway.ask('/readyz?verbose')}")

    def gateway(self, name, store=None, fail="closed", stale_for=STALE_FOR, more=""):
        config = CONFIG.format(store=store or self.cluster.url, fail=fail, stale_for=stale_for, issuer=self.issuer_port, key=self.key, more=more)
        return self.part(Member(self.binary, self.directory, name, config, upstream=self.upstream.port))

    def add_users(self, count=USERS):
        """The password of each is its name, four times."""
        for number in range(count):
            name = f"user-{number}"
            self.gateways[0].output("user", "add", name, "--password-stdin", "--role", "ops", "--scope", "read", "--scope", "write", given=name * 4 + "\n")

    def add_client(self, name, *arguments):
        """A confidential client, and how it says who it is."""
        secret = self.gateways[0].output("client", "add", name, *arguments)
        self.clients[name] = {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}

    def add_tokens(self):
        """One that is good for all rows, and one that is revoked for all rows."""
        self.good, self.revoked = (self.machine(0) for _ in range(2))
        self.gateways[0].form("/auth/revoke", self.clients["machine"], token=self.revoked)

    def machine(self, number):
        """A token of the client, made by one of the gateways."""
        answer = self.gateways[number].form("/auth/token", self.clients["machine"], grant_type="client_credentials")
        if answer.status != 200:
            raise RuntimeError(f"no token of a client: {answer}")
        return answer.body["access_token"]

    def sign_in_many(self, count):
        """Sessions of all users in turn, through all gateways."""
        with ThreadPoolExecutor(6) as pool:
            return list(pool.map(lambda number: self.gateways[number % 3].sign_in(f"user-{number % USERS}"), range(count)))

    def figure(self, name, seconds):
        """What was measured, as milliseconds."""
        p50, p99, most = (1000 * quantile(seconds, share) for share in (0.5, 0.99, 1))
        self.note(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms ({len(seconds)} rounds)")

    def end(self):
        super().end()
        self.cluster.end()


class Member(Gateway):
    """One of the gateways. Each thread uses connections of its own: those of `wire`."""

    def wire(self, timeout=20.0):
        return Wire(self.port, timeout)

    def form(self, path, fields=None, wire=None, **values):
        """Posts a form to the issuer."""
        return (wire or self.wire()).ask(form(path, fields, **values))

    def sign_in(self, name, wire=None):
        answer = self.form("/auth/login", wire=wire, username=name, password=name * 4)
        if answer.status != 200:
            raise RuntimeError(f"no sign-in of {name}: {answer}")
        return Tokens.of(answer)

    def refresh(self, tokens, wire=None):
        """The answer, and the tokens after it."""
        answer = self.form("/auth/token", wire=wire, **refreshing(tokens))
        return answer, Tokens.of(answer, tokens) if answer.status == 200 else tokens

    def call(self, token, wire=None):
        return (wire or self.wire()).ask(calling(token))

    def sessions(self, token):
        answer = self.wire().ask(request("GET", "/auth/sessions", {"Authorization": f"Bearer {token}"}))
        return answer, answer.body.get("sessions", answer.body.get("", []))

    def metric(self, name, labels=""):
        """The sum of its samples."""
        lines = self.ask("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name) and labels in line)

    def admin_post(self, path, document):
        """Status and document."""
        body = json.dumps(document).encode()
        answer = Wire(self.admin).ask(request("POST", path, {"Content-Type": "application/json"}, body))
        return answer.status, answer.body

    def kill(self):
        """As when the machine dies."""
        self.process.kill()
        self.process.wait()


def form(path, fields=None, **values):
    body = urllib.parse.urlencode(values).encode()
    return request("POST", path, {"Content-Type": "application/x-www-form-urlencoded", **(fields or {})}, body)


def refreshing(tokens):
    return {"grant_type": "refresh_token", "refresh_token": tokens.refresh, "client_id": "portcullis"}


def calling(token, path="/api"):
    return request("GET", path, {"Authorization": f"Bearer {token}"})


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
