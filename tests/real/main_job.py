"""The main job on real parts; see tests/real/run. Prints one line a case and `N passed, N failed`."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jwcrypto import jwk, jwt

ISSUER = "https://issuer.test"
ALGORITHMS = {
    "RS256": {"kty": "RSA", "size": 2048},
    "RS384": {"kty": "RSA", "size": 3072},
    "RS512": {"kty": "RSA", "size": 2048},
    "PS256": {"kty": "RSA", "size": 2048},
    "PS384": {"kty": "RSA", "size": 2048},
    "PS512": {"kty": "RSA", "size": 4096},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES384": {"kty": "EC", "crv": "P-384"},
    "ES512": {"kty": "EC", "crv": "P-521"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
workers = 2
tls = {{ self_signed = ["localhost", "127.0.0.1"] }}
[admin]
listen = "127.0.0.1:{admin}"
[[issuers]]
name = "corp"
issuer = "https://issuer.test"
audiences = ["api"]
algorithms = {algorithms}
keys = {{ jwks_file = "jwks.json" }}
[claim_headers]
"X-Auth-Subject" = "sub"
"X-Auth-Roles" = "realm_access.roles"
[[upstreams]]
name = "nginx"
urls = ["http://127.0.0.1:{upstream}"]
[[routes]]
name = "api"
path = "/api"
upstream = "nginx"
issuers = ["corp"]
[[routes]]
name = "open"
path = "/open"
upstream = "nginx"
auth = "none"
"""
NGINX = """
user root; pid nginx.pid; worker_processes 1; events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    underscores_in_headers on;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            default_type text/plain;
            return 200 "subject=$http_x_auth_subject roles=$http_x_auth_roles token=$http_authorization for=$http_x_forwarded_for proto=$http_x_forwarded_proto uri=$request_uri\\n";
        }}
        location /open/file {{ alias {root}/; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


class Run:
    def __init__(self, binary, directory):
        self.directory = Path(directory)
        self.passed = self.failed = 0
        self.processes = []
        self.port, self.admin, self.upstream = free_port(), free_port(), free_port()
        self.keys = {name: jwk.JWK.generate(kid=f"{name.lower()}-1", **kind) for name, kind in ALGORITHMS.items()}
        self.write_keys(self.keys)
        (self.directory / "gateway.toml").write_text(
            CONFIG.format(port=self.port, admin=self.admin, upstream=self.upstream, algorithms=json.dumps(list(ALGORITHMS)))
        )
        root = self.directory / "files"
        root.mkdir()
        (root / "large").write_bytes(os.urandom(1 << 20) * 16)
        nginx = self.directory / "nginx"
        nginx.mkdir()
        (nginx / "nginx.conf").write_text(NGINX.format(port=self.upstream, root=root))
        self.start("nginx", "-p", str(nginx), "-c", str(nginx / "nginx.conf"), "-e", str(nginx / "error.log"), "-g", "daemon off;")
        self.gateway = self.start(binary, "run", "-c", str(self.directory / "gateway.toml"))
        wait_for(self.upstream)
        wait_for(self.port)

    def write_keys(self, keys):
        document = {"keys": []}
        for name, key in keys.items():
            document["keys"].append({**key.export_public(as_dict=True), "alg": name, "use": "sig"})
        temporary = self.directory / "jwks.json.new"
        temporary.write_text(json.dumps(document))
        temporary.rename(self.directory / "jwks.json")

    def start(self, *command):
        environment = {**os.environ, "STATE_DIRECTORY": str(self.directory / "state")}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=open(self.directory / "log", "ab"))
        self.processes.append(process)
        return process

    def token(self, name, key=None, header=None, **claims):
        now = int(time.time())
        body = {"iss": ISSUER, "aud": "api", "sub": "alice", "iat": now, "exp": now + 600, "realm_access": {"roles": ["ops", "a,b"]}}
        body.update(claims)
        token = jwt.JWT(header={"alg": name, "kid": f"{name.lower()}-1", "typ": "at+jwt", **(header or {})}, claims=body)
        token.make_signed_token(key or self.keys[name])
        return token.serialize()

    def curl(self, path, *options, version="--http1.1"):
        certificate = next((self.directory / "state" / "tls").glob("*.pem"))
        result = subprocess.run(
            ["curl", "-sS", "--max-time", "20", version, "--cacert", str(certificate), "-w", "\n%{http_code} %{http_version}",
             *options, f"https://localhost:{self.port}{path}"],
            capture_output=True, check=False,
        )
        body, _, status = result.stdout.rpartition(b"\n")
        return status.decode().split(" "), body

    def check(self, name, holds, seen=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        print(("ok     " if holds else "FAILED ") + name + ("" if holds else f": {seen}"), flush=True)

    def bearer(self, token):
        return ("-H", f"Authorization: Bearer {token}")


def cases(run):
    for version, label in (("--http1.1", "1.1"), ("--http2", "2")):
        for name in ALGORITHMS:
            (status, spoken), body = run.curl("/api/orders", *run.bearer(run.token(name)), "-H", "X-Auth-Subject: root", "-H", "x_auth_subject: root", version=version)
            wanted = b"subject=alice roles=ops,a%2Cb token= for=127.0.0.1 proto=https uri=/api/orders"
            run.check(f"{name} over HTTP/{label}", (status, spoken) == ("200", label) and body.strip() == wanted, (status, spoken, body))
        (status, _), body = run.curl("/api/orders", version=version)
        run.check(f"no token over HTTP/{label}", status == "401" and json.loads(body)["reason"] == "missing_token", (status, body))
        refusals = {
            "expired": run.token("ES256", exp=int(time.time()) - 60),
            "wrong_audience": run.token("ES256", aud="other"),
            "wrong_issuer": run.token("ES256", iss="https://other.test"),
            "unknown_key": run.token("ES256", header={"kid": "nobody"}),
            "bad_signature": run.token("ES256", key=jwk.JWK.generate(kty="EC", crv="P-256")),
            "not_yet_valid": run.token("ES256", nbf=int(time.time()) + 120),
            "wrong_type": run.token("ES256", header={"typ": "logout+jwt"}),
        }
        for reason, token in refusals.items():
            (status, _), body = run.curl("/api/orders", *run.bearer(token), version=version)
            run.check(f"{reason} over HTTP/{label}", status == "401" and json.loads(body)["reason"] == reason, (status, body))
        (status, _), body = run.curl("/open/file/large", version=version)
        run.check(f"16 MiB over HTTP/{label}", status == "200" and body == (run.directory / "files" / "large").read_bytes(), (status, len(body)))

    rotated = {**run.keys, "ES256": jwk.JWK.generate(kid="es256-2", kty="EC", crv="P-256")}
    old = run.token("ES256")
    run.write_keys(rotated)
    new = run.token("ES256", key=rotated["ES256"], header={"kid": "es256-2"})
    deadline = time.time() + 5
    while run.curl("/api/x", *run.bearer(new))[0][0] != "200" and time.time() < deadline:
        time.sleep(0.1)
    run.check("a key swapped into the file is accepted", run.curl("/api/x", *run.bearer(new))[0][0] == "200")
    run.check("the key that left the file is refused", run.curl("/api/x", *run.bearer(old))[0][0] == "401")

    run.gateway.send_signal(signal.SIGTERM)
    run.check("TERM ends it with 0", run.gateway.wait(timeout=40) == 0, run.gateway.returncode)


def main():
    with tempfile.TemporaryDirectory() as directory:
        run = Run(sys.argv[1], directory)
        try:
            cases(run)
        finally:
            for process in run.processes:
                if process.poll() is None:
                    process.terminate()
                    process.wait(timeout=40)
            if run.failed:
                print((run.directory / "log").read_text(errors="replace")[-4000:])
        print(f"{run.passed} passed, {run.failed} failed")
        sys.exit(1 if run.failed or not run.passed else 0)


main()
