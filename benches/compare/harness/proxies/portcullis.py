"""Portcullis. TLS is a matter of the whole server, so plain and TLS are two processes; only one has load at a time."""

from pathlib import Path

from ..tokens import AUDIENCE, issuer
from .base import Proxy, World


class Portcullis(Proxy):
    name = "portcullis"
    algorithms = ("RS256", "ES256", "EdDSA")

    def __init__(self, world: World, routes: int = 1, eddsa_keys: list[Path] | None = None):
        """`routes`: how many lie beside those that are asked for; `eddsa_keys`: JWK Sets, the first for the EdDSA
        issuer, each other for an issuer of its own on the same route."""
        super().__init__(world)
        self.routes = routes
        self.eddsa_keys = eddsa_keys or []

    def commands(self):
        commands = {}
        for listener in ("plain", "tls"):
            path = self.write(f"{listener}.toml", self.configuration(listener))
            commands[listener] = [str(self.world.portcullis), "run", "-c", str(path)]
        return commands

    def configuration(self, listener: str) -> str:
        world = self.world
        tls = f'tls = {{ cert = "{world.certificate}", key = "{world.private_key}" }}' if listener == "tls" else ""
        text = f"""
[server]
listen = ["127.0.0.1:{self.ports[listener]}"]
workers = 1
{tls}
[server.limits]
connections = 9000
idle_timeout = "1h"
[admin]
listen = "off"
[log]
access = false
[claim_headers]
X-Auth-Subject = "sub"
[[upstreams]]
name = "api"
urls = ["http://127.0.0.1:{world.upstream_port}"]
idle_timeout = "1h"
max_idle = 1024
[[routes]]
name = "open"
path = "/open"
upstream = "api"
auth = "none"
"""
        text += "".join(self.checked(algorithm) for algorithm in world.algorithms)
        text += "".join(
            f'[[routes]]\nname = "more-{n}"\npath = "/more/{n}/things"\nupstream = "api"\nauth = "none"\n'
            for n in range(self.routes)
        )
        text += "".join(
            table(f"crowd-{n}", "EdDSA", path, f"https://{n}.test") for n, path in enumerate(self.eddsa_keys[1:])
        )
        return text

    def checked(self, algorithm: str) -> str:
        name, keys, crowd = algorithm.lower(), self.world.mint.key(algorithm).jwks, ""
        if algorithm == "EdDSA" and self.eddsa_keys:
            keys = self.eddsa_keys[0]
            crowd = "".join(f', "crowd-{n}"' for n in range(len(self.eddsa_keys) - 1))
        return f"""{table(name, algorithm, keys, issuer(algorithm))}
[[routes]]
name = "{name}"
path = "/{name}"
upstream = "api"
issuers = ["{name}"{crowd}]
"""


def table(name: str, algorithm: str, keys: Path, iss: str) -> str:
    return f"""
[[issuers]]
name = "{name}"
issuer = "{iss}"
audiences = ["{AUDIENCE}"]
algorithms = ["{algorithm}"]
keys = {{ jwks_file = "{keys}" }}
"""
