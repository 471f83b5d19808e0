"""USB devices of the hosts, at work: plugged in and unplugged at any time. And their other ends: who types, who is at the other end of
the serial line, what the loudspeaker has heard. What the guest says of them comes from the programs in usb/.
"""

import gzip
import re
import select
import socket
import sys
import threading
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

from .guest import Machine
from .hosts import Host
from .report import Failure, expect, say
from .settings import COMMAND_SECONDS, IMAGE
from .usb_devices import CONTROLLER, Device, serial_socket
from .usb_image import ARCHIVE

MACHINE = Machine(memory_mib=160, archive=ARCHIVE)
ALPHABET = "abcdefghijklmnopqrstuvwxyz"  # as in usb/keys.c
KEY_SECONDS = 0.3  # between two keys; QEMU holds one for 0.1 s
DIGITS = 10  # as in usb/counter.c
PACE_SECONDS = 0.1
LOOK_SECONDS = 0.1
# As in usb/frames.c, but for the volume: QEMU's usb-audio begins with this one, of 255.
NUMBER_BITS, SPARE_BITS, VOLUME = 12, 3, 240
FIRST, RATE = 1 << NUMBER_BITS, 48000
WAV_HEADER_BYTES, FRAME_BYTES = 44, 4


def prepare(host: Host) -> None:
    """A guest of MACHINE may start there."""
    host.run(f"gunzip >/opt/lab/{ARCHIVE}", stdin=gzip.compress((IMAGE / ARCHIVE).read_bytes()))


def plug(host: Host, device: Device) -> None:
    """Dom0 has seen it afterwards."""
    say(f"{device.name} is plugged in at {host}, port {device.path}")
    host.monitor(f"device_add {device.driver},id={device.name},bus={CONTROLLER}.0,port={device.port},serial={device.serial}")
    wait_port(host, device, there=True)


def unplug(host: Host, device: Device) -> None:
    say(f"{device.name} is unplugged from {host}")
    host.monitor(f"device_del {device.name}")
    wait_port(host, device, there=False)


def wait_port(host: Host, device: Device, there: bool) -> None:
    entry, wanted = f"/sys/bus/usb/devices/{device.path}/serial", "there" if there else "gone"
    deadline = time.monotonic() + COMMAND_SECONDS
    while host.output(f"[ -e {entry} ] && echo there || echo gone").strip() != wanted:
        expect(time.monotonic() < deadline, f"expected {device.name} to be {wanted}: {host}:{entry}")
        time.sleep(LOOK_SECONDS)


def plugged(host: Host) -> list[str]:
    """What dom0 sees, as lsusb would say it: port, vendor and product, Mb/s, serial, product's name, drivers of its interfaces."""
    return host.output(
        "cd /sys/bus/usb/devices && for d in [0-9]*-[0-9]*; do case $d in *:*) continue;; esac; "
        "echo $d $(cat $d/idVendor):$(cat $d/idProduct) $(cat $d/speed) $(cat $d/serial) \"$(cat $d/product)\" "
        "$(for i in $d:*; do basename \"$(readlink $i/driver)\"; done); done").splitlines()


# ------------------------------------------------------------------------------------------------ their other ends

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
