"""What all rows share: the processes, the configurations, and the count."""

import time

from parts import Gateway, Provider, Rows, Upstream, make_ca

# Requests a second that the gateway must be under while its keys change. Our load is paced above it.
LEAST_RATE = 2000
# Least time between two fetches that unknown kids cause, in the configurations below.
GAP = 1.0

HEAD = """
[server]
listen = ["127.0.0.1:{port}"]
workers = 2
[admin]
listen = "127.0.0.1:{admin}"
[log]
format = "json"
access = false
[claim_headers]
X-Auth-Subject = "sub"
X-Auth-Issuer = "iss"
X-Auth-Roles = "roles"
[[upstreams]]
name = "nginx"
urls = ["http://127.0.0.1:{upstream}"]
[[routes]]
name = "open"
path = "/open"
upstream = "nginx"
auth = "none"
"""


def issuer(name, url, keys, refresh='interval = "1h"', more=""):
    """An issuer, and the route /NAME for its tokens."""
    return f"""
[[issuers]]
name = "{name}"
issuer = "{url}"
audiences = ["api"]
algorithms = ["RS256", "ES256", "EdDSA"]
leeway = "0s"
keys = {keys.replace("{", "{{").replace("}", "}}")}
{more}
[issuers.refresh]
{refresh}
unknown_kid_gap = "1s"
[[routes]]
name = "{name}"
path = "/{name}"
upstream = "nginx"
issuers = ["{name}"]
"""


class Table(Rows):
    """What all rows share: the processes."""

    def __init__(self, binary, script, directory):
        super().__init__(binary, directory)
        make_ca(directory)
        self.upstream = self.part(Upstream(directory))
        self.corp = self.part(Provider(script, directory, "corp", tls=True))
        self.many = self.part(Provider(script, directory, "many", tls=False))

    def start(self):
        """One provider with TLS and one issuer; one without, and an issuer of each kind."""
        self.upstream.start()
        self.corp.tenant("", f"https://localhost:{self.corp.port}", "1")
        self.corp.start()
        base = f"http://127.0.0.1:{self.many.port}"
        for mount in ("/bare", "/named", "/set", "/often", "/brief"):
            self.many.tenant(mount, base + mount, "1")
        self.many.tenant("", f"{base}/", "1")
        self.many.tenant("/slash", f"{base}/slash/", "1")
        self.many.tenant("/oauth", f"{base}/oauth", "1", metadata="oauth")
        # Signs with the keys of /bare, and says that it is /slash/: the kids are the same.
        self.many.tenant("/forger", f"{base}/slash/", "1", keys="/bare")
        self.many.start()

    def gateway(self, name, *issuers):
        gateway = Gateway(self.binary, self.directory, name, HEAD + "".join(issuers), upstream=self.upstream.port)
        return self.part(gateway)

    def corp_issuer(self, keys="{ discovery = true, ca = 'ca.pem' }", name="corp", **options):
        return issuer(name, f"https://localhost:{self.corp.port}", keys, **options)

    def many_issuer(self, name, keys="{ discovery = true }", mount=None, **options):
        url = self.many.tenants[f"/{name}" if mount is None else mount]["issuer"]
        return issuer(name, url, keys, **options)


def rest():
    """Until an unknown kid may ask at once again."""
    time.sleep(GAP + 0.1)
