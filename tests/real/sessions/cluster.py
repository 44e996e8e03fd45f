"""PostgreSQL in a cluster of its own: Debian's, on a free port; and what can happen to it."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

from processes import free_port


def binaries():
    """The newest that is installed; Debian keeps these out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: [int(part) for part in path.parts[4].split(".")])
    if not found:
        raise RuntimeError("PostgreSQL is not installed")
    return found[-1].parent


class Cluster:
    """A server that is stopped, frozen and started again."""

    def __init__(self, directory, fsync=False):
        self.bin = binaries()
        self.port = free_port()
        # PostgreSQL refuses to be root, and its directory is its own.
        self.as_server = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        made = subprocess.run([*self.as_server, "mktemp", "-d", "/tmp/portcullis-sessions.XXXXXX"], cwd="/tmp", check=True,
                              capture_output=True, text=True)
        self.directory = Path(made.stdout.strip())
        self.out = directory / "postgres.log"
        self.fsync = "on" if fsync else "off"
        self.password = secrets.token_urlsafe(24)
        self.frozen = False

    @property
    def url(self):
        return f"postgres://postgres:{urllib.parse.quote(self.password)}@127.0.0.1:{self.port}/postgres"

    @property
    def runs(self):
        return (self.directory / "data" / "postmaster.pid").exists()

    def create(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(self.password)
            file.flush()
            if self.as_server:
                shutil.chown(file.name, "postgres")
            self.server("initdb", "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={file.name}", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def server(self, program, *arguments):
        command = [*self.as_server, str(self.bin / program), "-D", str(self.directory / "data"), *arguments]
        # Not by a pipe, which the server would keep open.
        with self.out.open("wb") as out:
            ran = subprocess.run(command, cwd="/tmp", stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, timeout=60)
        if ran.returncode:
            raise RuntimeError(f"{program}: {self.out.read_text(errors='replace')[-1000:]}")

    def options(self):
        return f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c fsync={self.fsync}"

    def start(self):
        self.server("pg_ctl", "-l", str(self.directory / "log"), "-w", "-o", self.options(), "start")

    def stop(self, mode="fast"):
        self.server("pg_ctl", "-m", mode, "-w", "stop")

    def restart(self):
        self.server("pg_ctl", "-m", "fast", "-w", "-l", str(self.directory / "log"), "-o", self.options(), "restart")

    def freeze(self):
        """Nobody answers, and nobody closes a connection."""
        self.signal_all(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.signal_all(signal.SIGCONT)
        self.frozen = False

    def signal_all(self, number):
        main = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(main, number)
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text()
                # pid (name) state parent ..
                if int(text.rpartition(")")[2].split()[1]) == main:
                    os.kill(int(text.split()[0]), number)
            except (OSError, ValueError):
                continue

    def query(self, sql):
        """The first column of each row."""
        environment = {**os.environ, "PGPASSWORD": self.password}
        command = [str(self.bin / "psql"), "-XAtq", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-c", sql]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=10)
        return ran.stdout.splitlines()

    def cut_connections(self, which="true"):
        """Ends the connections of everyone else, as an operator or a failing network does. How many they were."""
        ended = self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                           f"WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND ({which})")
        return len(ended)

    def log(self):
        file = self.directory / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def end(self):
        if self.frozen:
            self.thaw()
        if self.runs:
            self.stop("immediate")
        shutil.rmtree(self.directory)
