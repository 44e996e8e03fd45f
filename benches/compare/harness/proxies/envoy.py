"""Envoy with its `jwt_authn` filter, and what its FAQ asks of a benchmark: one worker, no request ids, no statistics
that nobody reads, no circuit breakers. Its token cache is off unless configured; it is measured both ways.
"""

import json

from ..tokens import AUDIENCE, issuer
from .base import Proxy, World

EXTENSION = "type.googleapis.com/envoy.extensions"


class Envoy(Proxy):
    algorithms = ("RS256", "ES256", "EdDSA")

    def __init__(self, world: World, cached_tokens: int):
        self.name = "envoy cache" if cached_tokens else "envoy"
        self.cached_tokens = cached_tokens
        super().__init__(world)

    def commands(self):
        config = {
            "stats_config": {"stats_matcher": {"reject_all": True}},
            "static_resources": {
                "listeners": [self.listener("plain"), self.listener("tls")],
                "clusters": [self.cluster()],
            },
        }
        path = self.write("envoy.json", json.dumps(config, indent=1))
        quiet = ["--log-level", "error", "--disable-hot-restart"]
        return {"both": [str(self.world.envoy), "-c", str(path), "--concurrency", "1", *quiet]}

    def listener(self, name: str) -> dict:
        chain: dict = {"filters": [{"name": "http", "typed_config": self.manager(name)}]}
        if name == "tls":
            pair = {
                "certificate_chain": {"filename": str(self.world.certificate)},
                "private_key": {"filename": str(self.world.private_key)},
            }
            chain["transport_socket"] = {
                "name": "tls",
                "typed_config": {
                    "@type": f"{EXTENSION}.transport_sockets.tls.v3.DownstreamTlsContext",
                    "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]},
                },
            }
        address = {"address": "127.0.0.1", "port_value": self.ports[name]}
        return {
            "name": name,
            "address": {"socket_address": address},
            "tcp_backlog_size": 16384,
            "filter_chains": [chain],
        }

    def manager(self, name: str) -> dict:
        added = [("X-Forwarded-Host", "%REQ(:authority)%")]
        return {
            "@type": f"{EXTENSION}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "use_remote_address": True,
            "generate_request_id": False,
            "via": "1.1 envoy",
            "server_header_transformation": "PASS_THROUGH",
            "common_http_protocol_options": {"idle_timeout": "3600s"},
            "http_filters": [
                {"name": "jwt", "typed_config": self.jwt()},
                {
                    "name": "router",
                    "typed_config": {
                        "@type": f"{EXTENSION}.filters.http.router.v3.Router",
                        "dynamic_stats": False,
                        "suppress_envoy_headers": True,
                    },
                },
            ],
            "route_config": {
                "request_headers_to_add": [
                    {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                    for key, value in added
                ],
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api"}}],
                    }
                ],
            },
        }

    def jwt(self) -> dict:
        providers = {}
        for algorithm in self.world.algorithms:
            providers[algorithm] = {
                "issuer": issuer(algorithm),
                "audiences": [AUDIENCE],
                "local_jwks": {"inline_string": self.world.mint.key(algorithm).jwks.read_text()},
                "claim_to_headers": [{"header_name": "x-auth-subject", "claim_name": "sub"}],
            }
            if self.cached_tokens:
                providers[algorithm]["jwt_cache_config"] = {"jwt_cache_size": self.cached_tokens}
        rules = [
            {"match": {"prefix": f"/{algorithm.lower()}/"}, "requires": {"provider_name": algorithm}}
            for algorithm in self.world.algorithms
        ]
        return {
            "@type": f"{EXTENSION}.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": providers,
            "rules": rules,
        }

    def cluster(self) -> dict:
        never = 1_000_000_000
        limits = {
            "priority": "DEFAULT",
            "max_connections": never,
            "max_pending_requests": never,
            "max_requests": never,
            "max_retries": never,
        }
        address = {"socket_address": {"address": "127.0.0.1", "port_value": self.world.upstream_port}}
        return {
            "name": "api",
            "type": "STATIC",
            "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [limits]},
            "load_assignment": {
                "cluster_name": "api",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }
