"""What is asked of a device, and the process that asks: src/bench/java/io/netchannel/bench/usb, or machine/usbload.c."""

import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from remotebench.processes import BenchError, tail

ANSWER_SECONDS = 600  # of one measurement, or of the start with many devices, on a busy machine
LARGE_BYTES = 65536
DEPTHS = (1, 4, 16)


@dataclass(frozen=True)
class Endpoints:
    """Addresses, as the load reads them; None for what the device has not."""
    bulk_out: str
    bulk_in: str
    interrupt_in: str | None = None
    isochronous_in: str | None = None


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    kind: str  # of the transfers, as the load is told
    endpoint: Callable[[Endpoints], str | None]
    bytes: int
    depth: int
    share: float = 1  # of the requests of one measurement

    @property
    def small(self) -> bool:
        """One at a time, so what counts is how long it takes."""
        return self.kind in ("control", "bulk") and self.bytes < LARGE_BYTES

    @property
    def large(self) -> bool:
        return self.bytes == LARGE_BYTES

    def line(self, endpoints: Endpoints, requests: int) -> str | None:
        """As the load reads it; None where the device has no such endpoint."""
        endpoint = self.endpoint(endpoints)
        if endpoint is None:
            return None
        return f"{self.kind} {endpoint} {self.bytes} {self.depth} {max(self.depth, round(requests * self.share))}"


WORKLOADS = (
    Workload("control", "control, 18 bytes", "control", lambda e: "0", 18, 1),
    Workload("out-512", "bulk OUT, 512 bytes", "bulk", lambda e: e.bulk_out, 512, 1),
    Workload("in-512", "bulk IN, 512 bytes", "bulk", lambda e: e.bulk_in, 512, 1),
    *(Workload(f"{way}-64k-{depth}", f"bulk {way.upper()}, 64 KiB, {depth} outstanding", "bulk",
               (lambda e: e.bulk_out) if way == "out" else (lambda e: e.bulk_in), LARGE_BYTES, depth)
      for way in ("out", "in") for depth in DEPTHS),
    Workload("interrupt", "interrupt IN, 64 bytes, one in a millisecond", "interrupt", lambda e: e.interrupt_in, 64, 1, 0.5),
    Workload("isochronous", "isochronous IN, 8 packets of 192 bytes", "isochronous", lambda e: e.isochronous_in, 192, 4, 0.25),
)


@dataclass
class Sample:
    """Of one measurement, as the load tells it."""
    seconds: float
    bytes: int
    errors: int
    micros: list[int]  # each request, from its submission to its completion
    ends: list[int]  # microseconds since the first one's end
    missed: int = 0  # isochronous packets that nobody moved
    before: int | None = None  # p50 of the last requests that do not count: it has stood still when this one's is the same

    @staticmethod
    def read(line: str, what: str) -> "Sample":
        found = json.loads(line)
        if found["errors"]:
            raise BenchError(f"{what}: expected no request to fail, found {found['errors']} of {len(found['micros'])}")
        return Sample(**found)


class Load:
    """A process that has devices open and does what it is told."""

    def __init__(self, name: str, command: list[object], logs: Path, environment: dict[str, str] | None = None):
        self.name = name
        self.log = logs / f"{name}.log"
        with open(self.log, "wb") as errors:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True, env=environment)

    def __enter__(self) -> "Load":
        self.devices = json.loads(self.answer())["devices"]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.answer()

    def tell(self, line: str) -> None:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.silent() from None

    def answer(self) -> str:
        bound = threading.Timer(ANSWER_SECONDS, self.process.kill)
        bound.start()
        try:
            line = self.process.stdout.readline()
        finally:
            bound.cancel()
        if not line:
            raise self.silent()
        return line

    def silent(self) -> BenchError:
        return BenchError(f"{self.name}: expected an answer, found none; its last words:\n{tail(self.log)}")

    def measure(self, workload: Workload, endpoints: Endpoints, requests: int) -> Sample | None:
        line = workload.line(endpoints, requests)
        return None if line is None else Sample.read(self.ask(line), f"{self.name}, {workload.name}")
