"""The clients of scenario auction, outside of the guest: each with one connection to its database, and in a hurry."""

import random
import threading
import time
from dataclasses import dataclass
from typing import Callable

from .database import Connection
from .report import expect
from .settings import PATIENCE

CLIENTS = 3
# Of a hundred interactions, after RUBiS' bidding mix: fifteen write. Each is the procedure of that name in guest/auction.sql.
MIX = {"browse": 45, "view": 40, "bid": 10, "comment": 3, "sell": 2}
WRITING = ("bid", "comment", "sell")
CATEGORIES, USERS, ITEMS = 20, 2000, 5000  # as guest/auction.sql makes them
# Of an answer. An emulated guest is slow while its memory is copied.
ANSWER_SECONDS = 300 * PATIENCE
REQUESTS_OF_A_CLIENT = 1_000_000


@dataclass(frozen=True)
class Interaction:
    at: float  # when it was answered, time.monotonic()
    seconds: float
    kind: str


@dataclass(frozen=True)
class Written:
    """What the database has said is committed."""

    kind: str
    request: int  # the client's number
    values: tuple[int, ...]  # in the order of bookkeeping.COLUMNS


class Visitor:
    """What one client asks for, one after the other: the same each time for the same number."""

    def __init__(self, number: int):
        self.random = random.Random(number)
        self.requests = number * REQUESTS_OF_A_CLIENT

    def next(self) -> tuple[str, tuple[int, ...]]:
        """A procedure and its arguments; of one that writes the first is its request."""
        draw = self.random.randint
        [kind] = self.random.choices(list(MIX), list(MIX.values()))
        match kind:
            case "browse":
                return kind, (draw(1, CATEGORIES),)
            case "view":
                return kind, (draw(1, ITEMS),)
        self.requests += 1
        match kind:
            case "bid":
                return kind, (self.requests, draw(1, USERS), draw(1, ITEMS), draw(1, 50))
            case "comment":
                return kind, (self.requests, draw(1, USERS), draw(1, USERS), draw(1, ITEMS), draw(-5, 5))
            case _:
                return kind, (self.requests, draw(1, USERS), draw(1, CATEGORIES), draw(100, 999))


class Client(threading.Thread):
    """Goes on until it is told to stop, or to its first error: it never connects again."""

    def __init__(self, number: int, connect: Callable[[], Connection], stop: threading.Event):
        super().__init__(name=f"client {number}", daemon=True)
        self.connect, self.stop = connect, stop
        self.visitor = Visitor(number)
        self.interactions: list[Interaction] = []
        self.written: list[Written] = []
        self.sessions: set[int] = set()  # of the server that had this client; more than one is a reconnect
        self.error = ""

    def run(self) -> None:
        try:
            with self.connect() as connection:
                self.sessions.add(connection.session)
                while not self.stop.is_set():
                    self.interact(connection)
                [[(session,)]] = connection.ask("SELECT CONNECTION_ID()")
                self.sessions.add(session)
        except Exception as error:  # noqa: BLE001 - whatever it is, this client got no answer as it should
            self.error = f"{self.name}: {type(error).__name__}: {error}"

    def interact(self, connection: Connection) -> None:
        kind, arguments = self.visitor.next()
        began = time.monotonic()
        answer = connection.ask(f"CALL {kind}({', '.join(map(str, arguments))})")
        now = time.monotonic()
        if kind in WRITING:
            self.written.append(written(kind, arguments, answer))
        self.interactions.append(Interaction(now, now - began, kind))


def written(kind: str, arguments: tuple[int, ...], answer: list) -> Written:
    request, *values = arguments
    if kind == "bid":
        [[(amount,)]] = answer
        values[-1] = amount  # it was raised by so much; what it came to is the database's word
    return Written(kind, request, tuple(values))


class Load:
    """A context: the clients are at work while the block runs."""

    def __init__(self, connect: Callable[[], Connection]):
        self._stop = threading.Event()
        self.clients = [Client(number, connect, self._stop) for number in range(1, CLIENTS + 1)]

    def __enter__(self) -> "Load":
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, failed, *_) -> None:
        self._stop.set()
        for client in self.clients if not failed else ():
            client.join(ANSWER_SECONDS)
            expect(not client.is_alive(), f"expected {client.name} to be answered within {ANSWER_SECONDS:.0f} s, it still waits")

    @property
    def interactions(self) -> list[Interaction]:
        return sorted((each for client in self.clients for each in list(client.interactions)), key=lambda each: each.at)

    @property
    def written(self) -> list[Written]:
        return [each for client in self.clients for each in client.written]

    @property
    def errors(self) -> list[str]:
        return [client.error for client in self.clients if client.error]

    @property
    def reconnects(self) -> int:
        return sum(len(client.sessions) - 1 for client in self.clients if client.sessions)
