"""The processes of the table: the provider, the gateway, nginx as the upstream, and how to ask each."""

import base64
import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

ALGORITHMS = ("RS256", "ES256", "EdDSA")

NGINX = """
pid nginx.pid; worker_processes 1; daemon off; error_log stderr warn; events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    keepalive_requests 1000000000; default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ return 200 "subject=$http_x_auth_subject issuer=$http_x_auth_issuer roles=$http_x_auth_roles token=$http_authorization\\n"; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(holds, seconds=15):
    """Waits for what must come; its truth, so that a row can say that it did not."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return bool(holds())


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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


class Part:
    """A process of ours; its output goes to a file."""

    def __init__(self, log):
        self.log = log
        self.process = None

    def spawn(self, *command, **environment):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.runs:
            self.process.send_signal(number)
            self.process.wait(timeout=60)


class Upstream(Part):
    """nginx, which answers with what it received."""

    def __init__(self, directory):
        super().__init__(directory / "nginx.log")
        self.port = free_port()
        self.root = directory / "nginx"
        self.root.mkdir()
        (self.root / "nginx.conf").write_text(NGINX.format(port=self.port))

    def start(self):
        self.spawn("nginx", "-p", str(self.root), "-c", str(self.root / "nginx.conf"), "-e", str(self.root / "error.log"))
        if not until(lambda: listens(self.port)):
            raise RuntimeError("nginx does not listen")


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


class Gateway(Part):
    """portcullis with a configuration and a state directory of its own."""

    def __init__(self, binary, directory, name, config, **values):
        super().__init__(directory / f"{name}.log")
        self.binary = binary
        self.state = directory / f"{name}-state"
        self.port, self.admin = free_port(), free_port()
        self.file = directory / f"{name}.toml"
        self.file.write_text(config.format(port=self.port, admin=self.admin, **values))

    def start(self):
        self.spawn(self.binary, "run", "-c", str(self.file), STATE_DIRECTORY=str(self.state))
        if not until(lambda: not self.runs or (listens(self.port) and listens(self.admin)), 30) or not self.runs:
            raise RuntimeError(f"the gateway does not listen: {self.log.read_text(errors='replace')[-3000:]}")

    def restart(self):
        self.end()
        self.start()

    def command(self, *arguments):
        """The command line, with this configuration: exit code and what it printed."""
        environment = {**os.environ, "STATE_DIRECTORY": str(self.state)}
        ran = subprocess.run([self.binary, *arguments, "-c", str(self.file)], env=environment, capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr

    def request(self, port, method, path, fields=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, headers=fields or {})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response, body

    def get(self, path, token=None):
        """Status, reason (of a refusal) and body."""
        response, body = self.request(self.port, "GET", path, {"Authorization": f"Bearer {token}"} if token else {})
        try:
            reason = json.loads(body).get("reason", "") if response.status != 200 else ""
        except ValueError:
            reason = ""
        return response.status, reason, body

    def passes(self, token, path="/api"):
        return self.get(path, token)[0] == 200

    def refuses(self, reason, token, path="/api"):
        return self.get(path, token)[1] == reason

    def ask(self, path, method="GET"):
        """The admin listener."""
        response, body = self.request(self.admin, method, path)
        return response.status, body

    def status(self):
        return json.loads(self.ask("/status")[1])

    def report(self, issuer):
        """What the key report says of each kid of an issuer."""
        document = json.loads(self.ask("/keys")[1])
        return {key["kid"]: key for entry in document["issuers"] if entry["name"] == issuer for key in entry["keys"]}

    def verdict(self, issuer, kid):
        return self.report(issuer).get(kid, {}).get("verdict", "unknown")


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
