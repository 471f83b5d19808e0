"""A proxy that cuts connections, and what comes of numbered streams through it."""

import json
import random
import socket
import struct
import threading
import time

from remotebench.processes import BenchError, say
from remotebench.stacks import LOOPBACK

from .load import Endpoints, Load

MOST_BYTES = 300_000  # both ways, of one connection
PIECE_BYTES = 16384
LONGEST_SECONDS = 3600
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is on its way is lost


class CuttingProxy:
    """Passes a connection's bytes on and cuts it after some of them, in the middle of whatever they are."""

    def __init__(self, server_port: int, seed: int = 1):
        self.server_port = server_port
        self.random = random.Random(seed)
        self.listener = socket.create_server((LOOPBACK, 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.cuts = 0
        self.cutting = False
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> "CuttingProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection((LOOPBACK, self.server_port))
            except OSError:
                client.close()
                continue
            Passage(self, client, server, self.random.randrange(MOST_BYTES), self.random.random() < 0.5).start()


class Passage:
    """One connection through the proxy; `left` bytes of it."""

    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket, left: int, reset: bool):
        self.proxy, self.ends, self.left, self.reset = proxy, (client, server), left, reset
        self.over = False

    def start(self) -> None:
        client, server = self.ends
        for end in self.ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self.pass_on, args=(source, target), daemon=True).start()

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(PIECE_BYTES):
                cut = False
                if self.proxy.cutting:
                    with self.proxy.lock:
                        cut = self.left <= len(piece)
                        piece = piece[:max(0, self.left)]
                        self.left -= len(piece)
                target.sendall(piece)
                if cut:
                    self.end(counted=True)
                    return
            self.end(counted=False)
        except OSError:
            self.end(counted=False)  # the other direction has cut, or one end has closed

    def end(self, counted: bool) -> None:
        with self.proxy.lock:
            if self.over:
                return
            self.over = True
            self.proxy.cuts += counted
        for each in self.ends:
            try:
                if self.reset and counted:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is gone, which is what is wanted
            each.close()


def streams_through_cuts(load: Load, proxy: CuttingProxy, endpoints: Endpoints, wanted: int) -> dict:
    """Streams both ways until so many connections were cut; then those that are under way end in peace."""
    load.tell(f"stream {endpoints.bulk_out} {endpoints.bulk_in}")
    began = time.monotonic()
    proxy.cutting = True
    told = 0
    while proxy.cuts < wanted:
        if time.monotonic() - began > LONGEST_SECONDS or load.process.poll() is not None:
            raise BenchError(f"expected {wanted} cuts within {LONGEST_SECONDS} s, found {proxy.cuts}")
        if proxy.cuts >= told + 250:
            told = proxy.cuts
            say(f"{told} of {wanted} cuts")
        time.sleep(0.1)
    proxy.cutting = False
    found = json.loads(load.ask("stop"))
    return {"wanted": wanted, "cuts": proxy.cuts, "seconds": round(time.monotonic() - began, 1)} | found
