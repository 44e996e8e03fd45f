"""What is measured: every combination of proxy, work, algorithm, protocol and body is one row."""

from dataclasses import dataclass

from .tokens import ALGORITHMS

# What clients send, and what they must be answered.
WORKS = ("open", "hot", "many", "unique", "expired", "forged")
BAD = ("expired", "forged")

PROTOCOLS = {"h1": "HTTP/1.1", "h1-tls": "HTTP/1.1 + TLS", "h2-tls": "HTTP/2 + TLS"}
NAMES = {
    "portcullis": "Portcullis",
    "nginx": "nginx",
    "nginx stream": "nginx stream (relay)",
    "haproxy": "HAProxy",
    "envoy": "Envoy",
    "envoy cache": "Envoy, its cache on",
}
WORK_NAMES = {
    "open": "no authentication",
    "hot": "one token",
    "many": "5,000 tokens",
    "unique": "every token new",
    "expired": "expired tokens",
    "forged": "forged tokens",
}
CHECKING = {"portcullis": ALGORITHMS, "haproxy": ("RS256", "ES256"), "envoy": ALGORITHMS, "envoy cache": ALGORITHMS}


@dataclass(frozen=True, order=True)
class Row:
    proxy: str
    work: str
    algorithm: str = ""
    protocol: str = "h1"
    body: str = "1k"

    @property
    def path(self) -> str:
        return f"/{self.algorithm.lower() or 'open'}/{self.body}"

    @property
    def key(self) -> str:
        """For files of results."""
        return "/".join((self.proxy, self.work, self.algorithm or "-", self.protocol, self.body))

    @property
    def title(self) -> str:
        work = WORK_NAMES[self.work]
        return f"{NAMES[self.proxy]}, {work}{f', {self.algorithm}' if self.algorithm else ''}"

    @classmethod
    def from_key(cls, key: str) -> "Row":
        proxy, work, algorithm, protocol, body = key.split("/")
        return cls(proxy, work, "" if algorithm == "-" else algorithm, protocol, body)


# nginx without authentication, in every round at its beginning, in its middle and at its end.
CONTROL = Row("nginx", "open")


def quick() -> list[Row]:
    """What the goals need, and no more."""
    return [
        Row("portcullis", "hot", "RS256"),
        Row("nginx stream", "open"),
        Row("portcullis", "hot", "RS256", "h1-tls"),
        Row("nginx", "open", "", "h1-tls"),
        Row("portcullis", "hot", "RS256", "h2-tls"),
        Row("nginx", "open", "", "h2-tls"),
        Row("haproxy", "open", "", "h2-tls"),
        Row("portcullis", "many", "RS256"),
        Row("haproxy", "many", "RS256"),
        Row("envoy cache", "many", "RS256"),
        Row("portcullis", "many", "ES256"),
        Row("haproxy", "many", "ES256"),
        Row("portcullis", "unique", "RS256"),
        Row("haproxy", "unique", "RS256"),
    ]


def smoke() -> list[Row]:
    """Every kind of work once, on the gateway alone but for the control."""
    rows = [Row("portcullis", work, "" if work == "open" else "ES256") for work in WORKS]
    return [*rows, Row("portcullis", "hot", "ES256", "h1-tls"), Row("portcullis", "hot", "ES256", "h2-tls", "64k")]


def full() -> list[Row]:
    """Everything that each proxy can do at all."""
    rows = []
    for body in ("1k", "64k"):
        for protocol in PROTOCOLS:
            rows += [Row(proxy, "open", "", protocol, body) for proxy in ("portcullis", "nginx", "haproxy", "envoy")]
            for work in WORKS[1:]:
                for proxy, algorithms in CHECKING.items():
                    rows += [Row(proxy, work, algorithm, protocol, body) for algorithm in algorithms]
        rows.append(Row("nginx stream", "open", "", "h1", body))
    return [row for row in rows if row != CONTROL and worth_it(row)]


def worth_it(row: Row) -> bool:
    """A refused request has no body, so its rows are of one size."""
    return not (row.work in BAD and row.body == "64k")
