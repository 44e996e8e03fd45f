"""nginx: as the upstream of all, as a proxy without authentication, and as a relay of bytes.

It has no check of a JWT in its free edition, so it stands for the cost of forwarding alone.
"""

from .. import machine
from .base import Proxy

HEAD = """
{modules}
daemon off; pid nginx.pid; worker_processes 1; error_log stderr crit;
events {{ worker_connections 18000; }}
"""
HTTP = """
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
"""


class Upstream(Proxy):
    """The API behind the proxies: 1 KiB of JSON, or 64 KiB."""

    name = "upstream"
    cores = machine.other_cores()

    def commands(self):
        # A line of nginx's configuration has room for 4 KiB; 64 KiB are put together from variables.
        text = f"""{HEAD.format(modules="")}
http {{{HTTP}
    default_type application/json;
    server {{
        listen 127.0.0.1:{self.ports["plain"]} reuseport backlog=16384;
        set $kib '{"x" * 1024}';
        location / {{ return 200 '{{"data":"{"x" * 1013}"}}'; }}
        location ~ /64k$ {{ return 200 '{{"data":"{"x" * 1013}{"$kib" * 63}"}}'; }}
    }}
}}"""
        return {"plain": command(self.write("nginx.conf", text), self)}


class Nginx(Proxy):
    """Layer 7, no authentication."""

    name = "nginx"

    def commands(self):
        world = self.world
        text = f"""{HEAD.format(modules="")}
http {{{HTTP}
    upstream api {{
        server 127.0.0.1:{world.upstream_port};
        keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{self.ports["plain"]} reuseport backlog=16384;
        listen 127.0.0.1:{self.ports["tls"]} ssl http2 reuseport backlog=16384;
        ssl_certificate {world.certificate}; ssl_certificate_key {world.private_key};
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{
            proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
            proxy_set_header Via "$server_protocol nginx";
        }}
    }}
}}"""
        return {"both": command(self.write("nginx.conf", text), self)}


class NginxStream(Proxy):
    """Layer 4: bytes that nobody reads. What a proxy on this machine cannot go below."""

    name = "nginx stream"
    protocols = ("h1",)

    def commands(self):
        modules = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"
        text = f"""{HEAD.format(modules=modules)}
stream {{
    server {{
        listen 127.0.0.1:{self.ports["plain"]} reuseport backlog=16384;
        proxy_pass 127.0.0.1:{self.world.upstream_port}; proxy_timeout 1h; tcp_nodelay on;
    }}
}}"""
        return {"plain": command(self.write("nginx.conf", text), self)}


def command(path, proxy: Proxy) -> list[str]:
    return ["nginx", "-p", str(proxy.home), "-c", str(path), "-e", "stderr"]
