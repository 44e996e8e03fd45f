"""What the tables on real parts share: processes of ours, nginx as the upstream, the gateway, and how to ask it."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback

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

    def command(self, *arguments, given=None):
        """The command line, with this configuration and that input: exit code and what it printed."""
        ran = self.run(*arguments, given=given)
        return ran.returncode, ran.stdout + ran.stderr

    def run(self, *arguments, given=None):
        environment = {**os.environ, "STATE_DIRECTORY": str(self.state)}
        command = [self.binary, *arguments, "-c", str(self.file)]
        return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60)

    def output(self, *arguments, given=None):
        """Standard output of a command that must do what it is asked for."""
        ran = self.run(*arguments, given=given)
        if ran.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {ran.returncode} {ran.stdout}{ran.stderr}")
        return ran.stdout.strip()

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


class Rows:
    """What the rows of a table share: the processes, and the count."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = directory
        self.passed = self.failed = 0
        self.parts = []

    def part(self, part):
        self.parts.append(part)
        return part

    def check(self, name, holds, seen=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        said = "" if holds or seen == "" else f": {' '.join(str(seen).split())[:1000]}"
        print(("ok     " if holds else "FAILED ") + name + said, flush=True)

    def note(self, text):
        print(f"       {text}", flush=True)

    def section(self, rows):
        """Rows that cannot even be tried have failed."""
        try:
            rows(self)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            self.check(f"{rows.__name__} ends", False, repr(error))

    def end(self):
        for part in self.parts:
            if part.runs:
                part.send_signal(signal.SIGCONT)
                part.end()

    def leave(self, keep):
        """Ends the processes. Their logs stay if they are wanted, and their last words are shown if a row failed."""
        self.end()
        if self.failed:
            for log in sorted(self.directory.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}", file=sys.stderr)
        if not keep:
            shutil.rmtree(self.directory)

    def count(self, named=""):
        """The last line, and the exit code. A table without a row has failed."""
        print(f"{named}{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)
