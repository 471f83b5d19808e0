"""A client of a device server that will not hear that it is over: it attaches and writes with its old generation, again
and again. It speaks the protocol by itself (package-info.java of io.netchannel.wire), with a host's own certificate
and over that host's network."""

import contextlib
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from .hosts import Host, free_port
from .product import SERVER_PORT
from .report import expect
from .settings import COMMAND_SECONDS

PREAMBLE = struct.Struct(">8sHHI")
HEADER = struct.Struct(">BBHIQQQ")  # type, status, slot, payload, sequence, offset, length
ATTACH = struct.Struct(">QHHHH")  # generation, flags, lengths of name and client, count of unanswered requests
MAGIC, VERSION, PAYLOAD = b"NETCHAN\n", 1, 1 << 20
TYPES = {"attach": 1, "attached": 2, "refused": 3, "write": 5}
REASONS = {1: "stale", 2: "unknown export", 3: "denied", 4: "read-only", 5: "in use", 6: "unavailable", 7: "replaced", 8: "protocol"}
POISON = b"an old generation's write" * 200
BLOCK = 4096
PAUSE_SECONDS = 0.5


class Gone(Exception):
    """The connection ended before the server had said anything."""


class OldClient:
    """A context: tries while the block runs. `outcomes` counts how each try ended, `words` are the server's."""

    def __init__(self, host: Host, server: str, export: str, client: str, generation: int, disk_bytes: int):
        self.host, self.server = host, server
        self.export, self.client, self.generation, self.disk_bytes = export, client, generation, disk_bytes
        self.outcomes: Counter[str] = Counter()
        self.words: dict[str, Counter[str]] = {}
        self._stop = threading.Event()

    def __enter__(self) -> "OldClient":
        with contextlib.ExitStack() as stack:
            self.port = stack.enter_context(tunnel(self.host, self.server))
            self.tls = certificates(self.host)
            self._thread = threading.Thread(target=self._try_for_ever, name="old client", daemon=True)
            self._thread.start()
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def _end(self) -> None:
        self._stop.set()
        self._thread.join(COMMAND_SECONDS)

    @property
    def refused(self) -> int:
        return sum(times for outcome, times in self.outcomes.items() if outcome.startswith("refused"))

    def wait_refused(self, wanted: int) -> None:
        deadline = time.monotonic() + COMMAND_SECONDS
        while self.refused < wanted:
            expect(time.monotonic() < deadline, f"expected the old client to be refused {wanted} times, found {dict(self.outcomes)}")
            time.sleep(PAUSE_SECONDS)

    def _try_for_ever(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                # Every other time it does not wait to be attached: the writes are right behind.
                outcome, said = self._try(number, hasty=number % 2 == 0)
                self.outcomes[outcome] += 1
                self.words.setdefault(outcome, Counter())[said] += 1
            except (OSError, Gone) as problem:
                self.outcomes[f"connection ended: {type(problem).__name__}"] += 1
            self._stop.wait(PAUSE_SECONDS)

    def _try(self, number: int, hasty: bool) -> tuple[str, str]:
        with connect(self.port, self.tls) as wire:
            name, client = self.export.encode(), self.client.encode()
            payload = ATTACH.pack(self.generation, 0, len(name), len(client), 0) + name + client
            wire.sendall(PREAMBLE.pack(MAGIC, VERSION, VERSION, PAYLOAD)
                         + HEADER.pack(TYPES["attach"], 0, 0, len(payload), 0, 0, 0) + payload)
            if hasty:
                wire.sendall(self._write(number))
            exactly(wire, PREAMBLE.size)
            kind, status, _, length, *_ = HEADER.unpack(exactly(wire, HEADER.size))
            if kind == TYPES["refused"]:
                return "refused: " + REASONS.get(status, str(status)), exactly(wire, length).decode()
            if kind == TYPES["attached"] and not hasty:
                wire.sendall(self._write(number))
            return ("attached" if kind == TYPES["attached"] else f"frame {kind}"), ""

    def _write(self, number: int) -> bytes:
        """One block somewhere on the disk, another place each time."""
        offset = number * 37 % (self.disk_bytes // BLOCK) * BLOCK
        return HEADER.pack(TYPES["write"], 0, 0, BLOCK, number, offset, BLOCK) + POISON[:BLOCK]


def first_words(host: Host, server: str, certificate: bool) -> str:
    """What the server says to someone who asks for an export with TLS, without a certificate of its own or with it;
    empty when it says nothing."""
    with tunnel(host, server) as port:
        tls = certificates(host, own=certificate)
        try:
            with connect(port, tls) as wire:
                payload = ATTACH.pack(1, 0, 4, 4, 0) + b"disk" + b"none"
                wire.sendall(PREAMBLE.pack(MAGIC, VERSION, VERSION, PAYLOAD)
                             + HEADER.pack(TYPES["attach"], 0, 0, len(payload), 0, 0, 0) + payload)
                exactly(wire, PREAMBLE.size)
                kind, _, _, length, *_ = HEADER.unpack(exactly(wire, HEADER.size))
                return exactly(wire, length).decode() if kind == TYPES["refused"] else f"frame {kind}"
        except (OSError, Gone):
            return ""


def answers_plain_text(host: Host, server: str) -> bool:
    """Whether the server talks to someone who does not speak TLS."""
    with tunnel(host, server) as port:
        try:
            with connect(port, None) as wire:
                wire.sendall(PREAMBLE.pack(MAGIC, VERSION, VERSION, PAYLOAD))
                return exactly(wire, PREAMBLE.size).startswith(MAGIC)
        except (OSError, Gone):
            return False


@contextlib.contextmanager
def connect(port: int, tls: ssl.SSLContext | None):
    with socket.create_connection(("127.0.0.1", port), COMMAND_SECONDS) as plain:
        if not tls:
            yield plain
            return
        with tls.wrap_socket(plain) as encrypted:
            yield encrypted


def exactly(wire, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = wire.recv(length - len(data))
        if not more:
            raise Gone
        data += more
    return data


def certificates(host: Host, own: bool = True) -> ssl.SSLContext:
    """TLS as this host's daemon has it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    pki = "/etc/pki"
    tls.load_verify_locations(cadata=host.output(f"cat {pki}/CA/cacert.pem"))
    if own:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(host.output(f"cat {pki}/libvirt/clientcert.pem {pki}/libvirt/private/clientkey.pem"))
            file.flush()
            tls.load_cert_chain(file.name)
    return tls


@contextlib.contextmanager
def tunnel(host: Host, server: str):
    """A port of this machine from which connections go on from the host to the server."""
    port = free_port()
    forward = subprocess.Popen(["ssh", "-o", "ControlPath=none", "-o", "ControlMaster=no", "-o", "ExitOnForwardFailure=yes",
                                *host.ssh_options, "-N", "-L", f"127.0.0.1:{port}:{server}:{SERVER_PORT}",
                                "-p", str(host.ssh_port), "root@127.0.0.1"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + COMMAND_SECONDS
        while True:
            expect(forward.poll() is None and time.monotonic() < deadline, f"expected ssh to forward a port by {host}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield port
    finally:
        forward.kill()
        forward.wait()
