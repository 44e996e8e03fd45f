"""The local issuer as other languages' libraries see it; see tests/real/oauth-client.sh. Prints one line a row."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import urllib.request
import ssl
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from jwcrypto import jwk, jws, jwt  # noqa: E402

from processes import Gateway, Rows, Upstream, until  # noqa: E402

ALGORITHMS = ("EdDSA", "ES256", "RS256")
PASSWORD = "correct horse battery staple"

CONFIG = """
[server]
listen = ["127.0.0.1:{{port}}"]
workers = 2
tls = {{{{ self_signed = ["localhost", "127.0.0.1"] }}}}
[admin]
listen = "127.0.0.1:{{admin}}"
[local_issuer]
issuer = "https://localhost:{{port}}/auth"
audience = "demo"
signing = {{{{ algorithm = "{algorithm}" }}}}
[[upstreams]]
name = "nginx"
urls = ["http://127.0.0.1:{{upstream}}"]
[[routes]]
name = "api"
path = "/api"
upstream = "nginx"
"""


def rows_of(table, script, algorithm):
    """A gateway that signs with it: what the client does, and what a third library says of the tokens."""
    config = CONFIG.format(algorithm=algorithm)
    gateway = table.part(Gateway(table.binary, table.directory, algorithm, config, upstream=table.upstream.port))
    gateway.output("user", "add", "alice", "--password-stdin", "--role", "ops", "--scope", "read", given=f"{PASSWORD}\n")
    secret = gateway.output("client", "add", "machine", "--scope", "read")
    gateway.start()
    table.check(f"{algorithm}: ready", until(lambda: gateway.ask("/readyz")[0] == 200), gateway.ask("/readyz?verbose"))
    certificate = next((gateway.state / "tls").glob("*.pem"))
    issuer = f"https://localhost:{gateway.port}/auth"
    given = {"issuer": issuer, "audience": "demo", "alg": algorithm, "api": f"https://localhost:{gateway.port}/api", "user": "alice",
             "password": PASSWORD, "client": {"id": "machine", "secret": secret}}
    client(table, algorithm, script, certificate, given)
    third_library(table, algorithm, issuer, certificate)
    gateway.end()


def client(table, algorithm, script, certificate, given):
    command = ["env", f"NODE_EXTRA_CA_CERTS={certificate}", "node", str(script)]
    ran = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False)
    for line in ran.stdout.splitlines():
        row = json.loads(line)
        table.check(f"{algorithm}: {row['name']}", row["ok"], row["seen"])
    table.check(f"{algorithm}: the client comes to its end", ran.returncode == 0, ran.stderr[-500:])


def third_library(table, algorithm, issuer, certificate):
    """PyPI's jwcrypto has the keys from the JWK Set and nothing else."""
    context = ssl.create_default_context(cafile=certificate)

    def ask(url, document=None):
        data = json.dumps(document).encode() if document else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return answer.read().decode()

    text = ask(f"{issuer}/jwks.json")
    keys = jwk.JWKSet.from_json(text)
    private = [name for key in json.loads(text)["keys"] for name in key if name in ("d", "p", "q", "dp", "dq", "qi", "k")]
    table.check(f"{algorithm}: the JWK Set has public keys alone", not private and len(list(keys["keys"])) >= 1, private)
    token = json.loads(ask(f"{issuer}/login", {"username": "alice", "password": PASSWORD}))["access_token"]
    wanted = {"iss": issuer, "aud": "demo", "sub": None, "exp": None, "iat": None, "jti": None, "sid": None, "client_id": "portcullis"}
    try:
        checked = jwt.JWT(jwt=token, key=keys, check_claims=wanted, algs=[algorithm])
        claims, header = json.loads(checked.claims), json.loads(checked.header)
        table.check(f"{algorithm}: jwcrypto verifies it", header["typ"] == "at+jwt" and claims["roles"] == ["ops"] and claims["scope"] == "read", claims)
    except Exception as error:  # noqa: BLE001
        table.check(f"{algorithm}: jwcrypto verifies it", False, repr(error))
    head, payload, signature = token.split(".")
    forged = f"{head}.{payload[:-2]}{'A' if payload[-2] != 'A' else 'B'}{payload[-1]}.{signature}"
    try:
        signed = jws.JWS()
        signed.deserialize(forged)
        for key in keys["keys"]:
            signed.verify(key, alg=algorithm)
        table.check(f"{algorithm}: and not one that was changed", False)
    except jws.InvalidJWSSignature:
        table.check(f"{algorithm}: and not one that was changed", True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("script", help="client.mjs, beside the node_modules that it needs")
    parser.add_argument("--keep", help="a directory for the logs, which is not removed")
    arguments = parser.parse_args()
    # So that `finally` ends the processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(arguments.keep or tempfile.mkdtemp(prefix="portcullis-oauth-"))
    directory.mkdir(parents=True, exist_ok=True)
    table = Rows(arguments.binary, directory)
    table.upstream = table.part(Upstream(directory))
    try:
        table.upstream.start()
        for algorithm in ALGORITHMS:
            table.section(lambda rows, algorithm=algorithm: rows_of(rows, arguments.script, algorithm))
    finally:
        table.leave(arguments.keep)
    table.count()


main()
