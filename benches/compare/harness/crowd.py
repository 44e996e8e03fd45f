"""Public keys by the thousand, for key sets that are large: Ed25519, the multiples of its base point (RFC 8032 §5.1).

Nobody signs with them, so nobody needs their private halves; making a pair and two files for each would take minutes.
"""

import base64
from collections.abc import Iterator

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    4 * pow(5, -1, P) % P,
)
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    """The sum on the twisted Edwards curve, -x² + y² = 1 + d·x²·y²."""
    k = D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P)
    return x % P, y % P


def encoded(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def jwks(count: int) -> Iterator[dict]:
    """So many JWKs, all different."""
    point = add(BASE, BASE)
    for n in range(count):
        point = add(point, BASE)
        x = base64.urlsafe_b64encode(encoded(point)).rstrip(b"=").decode()
        yield {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": f"crowd-{n}", "x": x}
