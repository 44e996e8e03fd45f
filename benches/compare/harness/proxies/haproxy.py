"""HAProxy, with `jwt_verify` and the rules its manual gives beside it for alg, iss, aud and exp.

It checks every token anew: there is no cache to switch on. It knows no EdDSA.
"""

from ..tokens import AUDIENCE, issuer
from .base import Proxy


class HAProxy(Proxy):
    name = "haproxy"
    algorithms = ("RS256", "ES256")

    def commands(self):
        world = self.world
        pair = self.write("pair.pem", world.certificate.read_text() + world.private_key.read_text())
        checked = [alg for alg in self.algorithms if alg in world.algorithms]
        use = "\n".join(f"    use_backend {alg} if {{ path_beg /{alg.lower()}/ }}" for alg in checked)
        text = f"""
global
    nbthread 1
    maxconn 9000
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout client 1h
    timeout server 1h
    timeout connect 5s
    timeout http-keep-alive 1h
frontend front
    bind 127.0.0.1:{self.ports["plain"]} backlog 16384
    bind 127.0.0.1:{self.ports["tls"]} backlog 16384 ssl crt {pair} alpn h2,http/1.1
    http-request del-header X-Auth-Subject
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    http-request set-header Via "1.1 haproxy"
{use}
    default_backend open
backend open
    server api 127.0.0.1:{world.upstream_port}
"""
        text += "".join(self.checked(alg) for alg in checked)
        return {"both": ["haproxy", "-db", "-f", str(self.write("haproxy.cfg", text))]}

    def checked(self, algorithm: str) -> str:
        key = self.world.mint.key(algorithm)
        return f"""
backend {algorithm}
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
    http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str {issuer(algorithm)} }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str {AUDIENCE} }}
    http-request deny deny_status 401 unless {{ var(txn.exp) -m found }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{key.public_pem}") 1 }}
    http-request set-header X-Auth-Subject %[var(txn.bearer),jwt_payload_query('$.sub')]
    http-request del-header Authorization
    server api 127.0.0.1:{self.world.upstream_port}
"""
