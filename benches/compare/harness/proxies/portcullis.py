"""Portcullis. TLS is a matter of the whole server, so plain and TLS are two processes; only one has load at a time."""

from pathlib import Path

from ..tokens import AUDIENCE, issuer
from .base import Proxy, World


class Portcullis(Proxy):
    name = "portcullis"
    algorithms = ("RS256", "ES256", "EdDSA")

    def __init__(self, world: World, routes: int = 0, jwks: dict[str, Path] | None = None, only: str | None = None):
        """`routes`: how many more there are; `jwks`: other key sets than the plain ones; `only`: one of its listeners."""
        super().__init__(world)
        self.routes = routes
        self.jwks = jwks or {}
        self.only = only

    def commands(self):
        commands = {}
        for listener in ("plain", "tls") if self.only is None else (self.only,):
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
connections = 20000
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
        return text

    def checked(self, algorithm: str) -> str:
        name = algorithm.lower()
        return f"""
[[issuers]]
name = "{name}"
issuer = "{issuer(algorithm)}"
audiences = ["{AUDIENCE}"]
algorithms = ["{algorithm}"]
keys = {{ jwks_file = "{self.jwks.get(algorithm) or self.world.mint.key(algorithm).jwks}" }}
[[routes]]
name = "{name}"
path = "/{name}"
upstream = "api"
issuers = ["{name}"]
"""
