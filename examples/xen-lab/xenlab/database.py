"""MariaDB: what scenario auction's guest finds on its disk is made here, by a server of the same settings; and how to ask one."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .report import LabError
from .settings import COMMAND_SECONDS, LAB

SETTINGS = LAB / "guest" / "database.cnf"
SCHEMA = LAB / "guest" / "auction.sql"
SEPARATOR = "\n//\n"  # a procedure has semicolons of its own
NAME = "auction"
TABLES = ("categories", "users", "items", "bids", "comments")
LOOK_SECONDS = 0.05


class DatabaseError(Exception):
    """What was asked was not answered, or with an error."""


class Connection:
    """A context: one connection, which is never made again. `where`: arguments of pymysql.connect that say to which server."""

    def __init__(self, **where):
        # Not above: `run --list` asks nobody, and installs nothing.
        import pymysql

        self._errors = (pymysql.Error, OSError)
        try:
            self._connection = pymysql.connect(user="root", autocommit=True, **where)
        except self._errors as error:
            raise DatabaseError(f"connecting: {error}") from error

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self._connection.close()

    @property
    def session(self) -> int:
        """Its number at the server, as that said at the beginning."""
        return self._connection.thread_id()

    def ask(self, statement: str) -> list[tuple]:
        """One round trip. Returns the rows of each result that has rows."""
        results = []
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
                while True:
                    if cursor.description:
                        results.append(cursor.fetchall())
                    if not cursor.nextset():
                        return results
        except self._errors as error:
            raise DatabaseError(f"{statement[:100]}: {error}") from error


class Server:
    """A context: MariaDB over a data directory, reached by a socket. It ends as on a shutdown, all written."""

    def __init__(self, data: Path):
        self.data = data
        self.log = data.parent / f"{data.name}.log"

    def __enter__(self) -> "Server":
        self._directory = tempfile.TemporaryDirectory(prefix="xen-lab-")  # of a name that is short enough for a socket
        self.socket = Path(self._directory.name) / "socket"
        self.log.touch()
        before = self.log.stat().st_size
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([*command(self.data), "--skip-networking", f"--socket={self.socket}", "--pid-file=pid"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + COMMAND_SECONDS
        while "ready for connections" not in self.log.read_text()[before:]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise LabError(f"expected MariaDB to start on {self.data}, it said: {self.log.read_text()[-2000:]}")
            time.sleep(LOOK_SECONDS)
        return self

    def __exit__(self, *_) -> None:
        self.end(signal.SIGTERM)

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._directory.cleanup()

    def connect(self, database: str | None = NAME) -> Connection:
        return Connection(unix_socket=str(self.socket), database=database)


def make(data: Path) -> None:
    """Makes a data directory there, with the tables and procedures of the auction."""
    data.mkdir()
    system = share() / "mysql_system_tables.sql"
    done = subprocess.run([*command(data), "--bootstrap"], input=f"CREATE DATABASE mysql;\nUSE mysql;\n{system.read_text()}", text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS)
    if done.returncode:
        raise LabError(f"expected MariaDB to make its own tables in {data}, it said: {done.stdout[-2000:]}")
    with Server(data) as server, server.connect(database=None) as connection:
        for statement in SCHEMA.read_text().split(SEPARATOR):
            connection.ask(statement)


def make_disk(path: Path) -> None:
    """The first bytes of a disk are a file system with such a directory; as large as the file is, which exists."""
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        data, image = Path(directory) / "data", Path(directory) / "image"
        make(data)
        size = path.stat().st_size
        done = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-m", "0", "-L", NAME, "-d", data, image, f"{size // 1024}k"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise LabError(f"mke2fs ended with {done.returncode}: {done.stdout}")
        # In place: the hosts have the file open.
        with open(image, "rb") as new, open(path, "r+b") as disk:
            shutil.copyfileobj(new, disk, 1 << 20)
            disk.flush()
            os.fsync(disk.fileno())


def command(data: Path) -> list[str]:
    # The first word is --defaults-file, or it is none.
    return [binary(), f"--defaults-file={SETTINGS}", f"--lc-messages-dir={share()}", f"--character-sets-dir={share()}/charsets",
            f"--datadir={data}"]


def binary() -> str:
    found = shutil.which("mariadbd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if not found:
        raise LabError("expected mariadbd of Debian's mariadb-server-core, found none: `run` installs it")
    return found


def share() -> Path:
    """Where its package keeps messages, character sets and the tables of its own."""
    return Path(binary()).parent.parent / "share" / "mysql"
