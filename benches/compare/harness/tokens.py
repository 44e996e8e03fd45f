"""Keys and tokens, made for one run in its temporary directory."""

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import crowd, machine
from .processes import Failed, run

ALGORITHMS = ("RS256", "ES256", "EdDSA")
AUDIENCE = "api"


def issuer(algorithm: str) -> str:
    return f"https://{algorithm.lower()}.issuer.test"


@dataclass(frozen=True)
class Key:
    """One issuer's key pair: what signs, and what the proxies are given to check with."""

    algorithm: str
    private_pem: Path
    jwks: Path
    public_pem: Path


class Mint:
    """Mints with the gateway's own command, on all cores."""

    def __init__(self, portcullis: Path, directory: Path):
        self.portcullis = portcullis
        self.directory = directory
        self.keys: dict[str, Key] = {}
        # Proxies are started by several threads.
        self.making = threading.Lock()

    def key(self, algorithm: str) -> Key:
        with self.making:
            if algorithm not in self.keys:
                self.keys[algorithm] = self.new_key(algorithm, algorithm.lower())
            return self.keys[algorithm]

    def new_key(self, algorithm: str, name: str) -> Key:
        home = self.directory / f"key-{name}"
        run([self.portcullis, "keys", "generate", "--alg", algorithm, "--kid", name, "--out", home])
        files = {path.suffix: path for path in home.iterdir()}
        jwks = next(path for suffix, path in files.items() if suffix == ".json")
        private = next(path for suffix, path in files.items() if suffix != ".json")
        public = home / "public.pem"
        run(["openssl", "pkey", "-in", private, "-pubout", "-out", public])
        return Key(algorithm, private, jwks, public)

    def tokens(self, algorithm: str, name: str, count: int, *more: str, key: Key | None = None) -> Path:
        """A file of that many tokens, all different."""
        key = key or self.key(algorithm)
        parts = min(machine.cores(), 1 + count // 500)
        share = -(-count // parts)
        command = [
            self.portcullis,
            "token",
            "mint",
            "--key",
            key.private_pem,
            "--alg",
            algorithm,
            "--kid",
            algorithm.lower(),
            "--issuer",
            issuer(algorithm),
            "--audience",
            AUDIENCE,
            "--expires-in",
            "1 day",
            *more,
        ]
        path = self.directory / f"{algorithm}-{name}.tokens"
        with path.open("wb") as out:
            files = [(self.directory / f"{path.name}.{part}").open("w+b") for part in range(parts)]
            minting = [
                subprocess.Popen(
                    [
                        *map(str, command),
                        "--sub",
                        f"user-{part}-{{n}}",
                        "--count",
                        str(min(share, count - part * share)),
                    ],
                    stdout=file,
                    cwd=self.directory,
                )
                for part, file in enumerate(files)
            ]
            if any([process.wait() for process in minting]):
                raise Failed("tokens could not be minted")
            for file in files:
                file.seek(0)
                out.write(file.read())
                file.close()
                Path(file.name).unlink()
        return path

    def expired(self, algorithm: str, count: int) -> Path:
        """Good signatures of a day that is over."""
        return self.tokens(algorithm, "expired", count, "--claim", f"exp={int(time.time()) - 86400}")

    def forged(self, algorithm: str, count: int) -> Path:
        """Well-formed in everything, under a known key id, signed by someone else's key of the same kind."""
        stranger = self.new_key(algorithm, f"stranger-{algorithm.lower()}")
        return self.tokens(algorithm, "forged", count, key=stranger)

    def crowd(self, count: int) -> list[Path]:
        """JWK Sets of so many EdDSA keys together, the issuer's own in the first; a set holds a hundred at most."""
        keys = [*json.loads(self.key("EdDSA").jwks.read_text())["keys"], *crowd.jwks(count - 1)]
        sets = []
        for first in range(0, count, 100):
            sets.append(self.directory / f"crowd-{count}-{first}.json")
            sets[-1].write_text(json.dumps({"keys": keys[first : first + 100]}))
        return sets
