"""The other ends of the hosts' USB devices: who types, who is at the other end of a serial line, what the loudspeaker has heard, what the
stick has written. What the guest says of them comes from the programs in usb/.
"""

import re
import select
import socket
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .guest_image import compile_programs
from .hosts import Followed, Host
from .report import Failure, expect
from .usb import LOOK_SECONDS
from .usb_devices import WRITE, serial_socket
from .usb_image import SOURCES

ALPHABET = "abcdefghijklmnopqrstuvwxyz"  # as in usb/keys.c
KEY_SECONDS = 0.3  # between two keys; QEMU holds one for 0.1 s
KEYS_KEPT = 6  # while nobody reads them: the keyboard itself keeps 16 reports, two for a key
DIGITS = 10  # as in usb/counter.c
PACE_SECONDS = 0.1
# As in usb/frames.c, but for the volume: QEMU's usb-audio begins with this one, of 255.
NUMBER_BITS, SPARE_BITS, VOLUME = 12, 3, 240
FIRST, RATE = 1 << NUMBER_BITS, 48000
WAV_HEADER_BYTES, FRAME_BYTES = 44, 4


class Typist:
    """Types the alphabet on a host's keyboard, over and over."""

    def __init__(self, host: Host, seconds: float = KEY_SECONDS):
        self.host, self.seconds = host, seconds
        self.typed = 0

    def type(self, keys: int) -> None:
        for _ in range(keys):
            self.host.monitor(f"sendkey {ALPHABET[self.typed % len(ALPHABET)]}")
            self.typed += 1
            time.sleep(self.seconds)  # as quick as a person

    @contextmanager
    def typing(self, seen: Callable[[], int]):
        """Types while it lasts, and never more than are kept while nobody reads: `seen` says how many have come."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.is_set():
                if self.typed - seen() < KEYS_KEPT:
                    self.type(1)
                else:
                    ended.wait(LOOK_SECONDS)

        with ThreadPoolExecutor(1, "typist") as threads:
            typed = threads.submit(go_on)
            try:
                yield
            finally:
                ended.set()
            typed.result()


class Numbers:
    """What a guest counts, ten digits and a newline each. After an empty line it goes on later: the line has been away. What came
    before that is the end of a number, or an echo: Linux sends back what it receives until it is told not to."""

    def __init__(self):
        self.read = 0
        self.last = 0
        self._again = True
        self._rest = b""
        self._odd = b""

    def feed(self, received: bytes) -> None:
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        if not line:
            self._again, self._odd = True, b""
            return
        if not re.fullmatch(rb"\d{%d}" % DIGITS, line):
            self._odd = self._odd or line
            return
        expect(not self._odd, f"expected a number of ten digits from the guest, found {self._odd!r}")
        number = int(line)
        expect(number == self.last + 1 or (self._again and number > self.last), f"expected {self.last + 1} from the guest, found {number}")
        self.last, self._again = number, False
        self.read += 1


class SerialEnd:
    """A context: the other end of a host's serial line counts, and looks whether the guest does."""

    def __init__(self, host: Host):
        self.numbers = Numbers()
        self.written = 0
        self._path = serial_socket(host.sockets, host.name)
        self._failure: Failure | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="serial", daemon=True)

    def __enter__(self) -> "SerialEnd":
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(self._path))
        self._line.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        self._ended.set()
        self._thread.join()
        self._line.close()
        if not kind:
            self.check()

    def check(self) -> None:
        if self._failure:
            raise self._failure

    @property
    def last(self) -> int:
        """The newest number from the guest."""
        self.check()
        return self.numbers.last

    @property
    def read(self) -> int:
        """How many have come."""
        return self.numbers.read

    def _run(self) -> None:
        rest, due = b"", 0.0
        try:
            while not self._ended.is_set():
                if not rest and time.monotonic() >= due:
                    self.written += 1
                    rest, due = f"{self.written:0{DIGITS}}\n".encode(), time.monotonic() + PACE_SECONDS
                readable, writable, _ = select.select([self._line], [self._line] if rest else [], [], LOOK_SECONDS)
                if readable:
                    received = self._line.recv(4096)
                    expect(received, "expected QEMU to keep the serial line open")
                    self.numbers.feed(received)
                if writable:
                    rest = rest[self._line.send(rest):]
        except Failure as failure:
            self._failure = failure


class ModemEnd:
    """A context: at the other end of a gadget's line dom0 counts, with the same program as the guest."""

    PROGRAM, STOP = "/opt/lab/counter", "/run/lab-counter.stop"  # nothing in /run can be executed

    def __init__(self, host: Host, line: str = "/dev/ttyGS0"):
        self.host, self.line = host, line

    def __enter__(self) -> "ModemEnd":
        with tempfile.TemporaryDirectory() as directory:
            compile_programs(SOURCES, Path(directory))
            self.host.write(self.PROGRAM, (Path(directory) / "counter").read_bytes())
        self._said = Followed(self.host.spawn(f"rm -f {self.STOP}; chmod +x {self.PROGRAM}; exec {self.PROGRAM} {self.line} {self.STOP}"))
        return self

    def __exit__(self, kind, *_) -> None:
        if not kind:
            self.check()
        self.host.run(f"touch {self.STOP}", check=not kind)
        self._said.close()

    def check(self) -> None:
        failed = re.search("counter FAILED: .*", self._said.text)
        expect(not failed, f"at the other end of {self.line} of {self.host}: {failed and failed[0]}")
        expect(self._said.is_live,
               f"expected {self.PROGRAM} of {self.host} to count on, it has ended and said: {self._said.text[-200:]}")

    @property
    def begun(self) -> int:
        """How often the line was there: once more after it was reset."""
        return self._said.text.count("counter here")

    @property
    def last(self) -> int:
        """The newest number from the guest, as of the last report."""
        return self._reported(2)

    @property
    def read(self) -> int:
        return self._reported(1)

    def _reported(self, group: int) -> int:
        self.check()
        reports = re.findall(r"counter (\d+) read, \d+ written, newest (\d+)\n", self._said.text)
        return int(reports[-1][group - 1]) if reports else 0


@dataclass
class Heard:
    """By the loudspeaker. In order, or there is no such thing."""

    frames: int = 0
    missing: int = 0
    gaps: int = 0
    silent: int = 0

    def figures(self) -> dict:
        return {"heard_frames": self.frames, "missing_frames": self.missing, "gaps": self.gaps, "silent_frames": self.silent}


def heard(path: Path, since_bytes: int = 0) -> Heard:
    """The numbers of the frames in a host's file since it had that size."""
    skipped = max(0, since_bytes - WAV_HEADER_BYTES) // FRAME_BYTES * FRAME_BYTES
    sound = path.read_bytes()[WAV_HEADER_BYTES + skipped:]
    samples = array("h", sound[:len(sound) // FRAME_BYTES * FRAME_BYTES])
    if sys.byteorder == "big":
        samples.byteswap()
    return judge(samples)


def judge(samples) -> Heard:
    """Left and right in turn."""
    found, last = Heard(), None
    for left, right in zip(samples[::2], samples[1::2]):
        number = bits(right) << NUMBER_BITS | bits(left)
        if not number:
            found.silent += 1
            continue
        if last is None and number >= FIRST + RATE:
            continue  # of a guest before, that QEMU had not yet written
        expect(last is None or number > last, f"expected the frame after {last}, heard {number}")
        if last is not None and number > last + 1:
            found.gaps += 1
            found.missing += number - last - 1
        last = number
        found.frames += 1
    return found


def bits(sample: int) -> int:
    """What the guest has put there, whatever the volume has made of its lowest bits."""
    return round(sample * 255 / VOLUME / (1 << SPARE_BITS))


def stick_writes(log: Path, since_bytes: int = 0) -> Counter[tuple[int, int]]:
    """How often the stick has written what: (sector, sectors), by its host's log since that had this size."""
    return Counter((int(sector), int(count)) for sector, count in
                   re.findall(rf"{WRITE} .*\(sector (\d+), count (\d+)\)", log.read_bytes()[since_bytes:].decode()))
