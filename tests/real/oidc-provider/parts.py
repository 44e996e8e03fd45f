"""The processes of the table: the provider beside those that every table has; and tokens, taken apart."""

import base64
import http.client
import json
import secrets
import ssl
import subprocess
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from processes import Gateway, Part, Rows, Upstream, free_port, listens, until  # noqa: E402, F401

ALGORITHMS = ("RS256", "ES256", "EdDSA")


def make_ca(directory):
    """A CA, and a certificate of it for localhost and 127.0.0.1."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=a CA of this run",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *key, "-keyout", "provider.key", "-out", "provider.csr", "-subj", "/CN=localhost")
    (directory / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "provider.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "provider.pem")


class Provider(Part):
    """oidc-provider with some tenants: issuers with a mount and generations of keys, the first of which signs."""

    def __init__(self, script, directory, name, tls):
        super().__init__(directory / f"{name}.log")
        self.script = script
        self.directory = directory / name
        self.directory.mkdir(mode=0o700)
        self.port, self.control = free_port(), free_port()
        self.tls = tls
        self.scheme = "https" if tls else "http"
        self.context = ssl.create_default_context(cafile=directory / "ca.pem")
        self.client = {"id": "service", "secret": secrets.token_urlsafe(24)}
        self.accesses = self.directory / "accesses"
        self.tenants = {}

    def tenant(self, mount, issuer, *generations, metadata="openid", keys=None):
        """Keys of one name of different tenants are different keys with the same kids, unless `keys` names another tenant."""
        owner = keys if keys is not None else mount
        self.tenants[mount] = {"mount": mount, "issuer": issuer, "metadata": metadata, "owner": owner}
        self.keys(mount, *generations)

    def keys(self, mount, *generations):
        owner = self.directory / f"keys{self.tenants[mount]['owner'].replace('/', '-')}"
        owner.mkdir(mode=0o700, exist_ok=True)
        for generation in generations:
            if not (owner / f"{generation}.ES256.json").exists():
                subprocess.run(["node", self.script, "keys", owner, generation], check=True)
        self.tenants[mount]["keys"] = [str(owner / generation) for generation in generations]
        tls = {"key": str(self.directory.parent / "provider.key"), "cert": str(self.directory.parent / "provider.pem")}
        config = {"port": self.port, "control": self.control, "tls": tls if self.tls else None, "log": str(self.accesses),
                  "client": self.client, "tenants": list(self.tenants.values())}
        (self.directory / "config.json").write_text(json.dumps(config))

    def start(self):
        self.spawn("node", str(self.script), "serve", str(self.directory / "config.json"))
        if not until(lambda: listens(self.control) and listens(self.port)):
            raise RuntimeError(f"the provider does not listen: {self.log.read_text()[-2000:]}")

    def rotate(self, mount, *generations):
        """By API: the keys change behind the same listener."""
        self.keys(mount, *generations)
        connection = http.client.HTTPConnection("127.0.0.1", self.control, timeout=20)
        connection.request("POST", "/reload")
        if connection.getresponse().status != 200:
            raise RuntimeError("the provider did not take its new keys")
        connection.close()

    def restart(self, mount, *generations):
        """By restart: for some time there is no provider at all."""
        self.end()
        self.keys(mount, *generations)
        self.start()

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def tokens(self, count, mount="", algorithms=ALGORITHMS, seconds=600, audience="api"):
        """Fresh access tokens, the algorithms in turn."""
        connection = self.connect()
        login = base64.b64encode(f"{self.client['id']}:{self.client['secret']}".encode()).decode()
        fields = {"Authorization": f"Basic {login}", "Content-Type": "application/x-www-form-urlencoded"}
        tokens = []
        for number in range(count):
            resource = f"urn:test:{algorithms[number % len(algorithms)]}:{seconds}:{audience}"
            body = urllib.parse.urlencode({"grant_type": "client_credentials", "resource": resource, "scope": "read"})
            connection.request("POST", f"{mount}/token", body, fields)
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                raise RuntimeError(f"no token: {answer}")
            tokens.append(answer["access_token"])
        connection.close()
        return tokens

    def token(self, **options):
        return self.tokens(1, **options)[0]

    def key_set(self, mount=""):
        connection = self.connect()
        connection.request("GET", f"{mount}/jwks")
        body = connection.getresponse().read()
        connection.close()
        return body

    def fetches(self, mount="", path="/jwks"):
        """The accesses to the key set so far, oldest first."""
        lines = self.accesses.read_text().splitlines() if self.accesses.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["path"] == mount + path]


def parts_of(token):
    header, payload, signature = token.split(".")
    return json.loads(unbase64(header)), json.loads(unbase64(payload)), signature


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_claims(token, **claims):
    """The token with other claims and the old signature."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(unbase64(payload)), **claims}
    return f"{header}.{to_base64(json.dumps(changed).encode())}.{signature}"


def with_kid(token, kid):
    """The token with another kid, and the signature that it had."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(unbase64(header)), "kid": kid}
    return f"{to_base64(json.dumps(changed).encode())}.{payload}.{signature}"
