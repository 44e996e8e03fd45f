"""The proxies that are compared, each with the configuration its own manual recommends for this work.

All of them: one worker, connections kept on both sides, no access log, the same fields added to what goes upstream
(X-Forwarded-For, -Proto, -Host, Via), and where a token is checked its subject as X-Auth-Subject and no Authorization.
Paths say what is asked for: /open/1k is not checked, /es256/64k wants a token of the ES256 issuer.
"""

from .base import Proxy, World
from .envoy import Envoy
from .haproxy import HAProxy
from .nginx import Nginx, NginxStream, Upstream
from .portcullis import Portcullis

__all__ = ["Envoy", "HAProxy", "Nginx", "NginxStream", "Portcullis", "Proxy", "Upstream", "World", "make"]


def make(name: str, world: World) -> Proxy:
    """A proxy by the name tables have for it; not started."""
    match name:
        case "portcullis":
            return Portcullis(world)
        case "nginx":
            return Nginx(world)
        case "nginx stream":
            return NginxStream(world)
        case "haproxy":
            return HAProxy(world)
        case "envoy":
            return Envoy(world, cached_tokens=0)
        case "envoy cache":
            return Envoy(world, cached_tokens=world.envoy_cache)
    raise ValueError(name)
