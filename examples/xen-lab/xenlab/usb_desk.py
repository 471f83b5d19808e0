"""The guest of the scenarios about USB, with what is on a desk: keyboard, stick, serial line, loudspeaker, each at work. In the end nothing
of what was typed, written and counted may be lost or have come twice."""

import time

from . import slots
from .guest import Guest
from .hosts import Host
from .report import expect
from .settings import COMMAND_SECONDS
from .usb import MACHINE, SerialEnd, Typist, heard, prepare, unplug
from .usb_devices import AUDIO, KEYBOARD, SERIAL, STICK, STICK_RAW, Device, wav

NAME = "desk"
PARTS = {KEYBOARD: "keys", STICK: "stick", SERIAL: "serial", AUDIO: "audio"}  # of usb/usb
AT_WORK = {KEYBOARD: "keys here", STICK: r"slots sda aio: \d", SERIAL: r"counter [1-9]\d* read", AUDIO: r"frames [1-9]\d* played"}
WORK_SECONDS = COMMAND_SECONDS
# Of what was played. A loudspeaker's frames that come too late are lost, as on any computer.
HEARD_SHARE = 0.9


class Desk:
    """A context. Its devices are at `server` and plugged in; `sources` says as what the guest finds them in its metadata."""

    def __init__(self, context, server: Host, form: str, devices: tuple[Device, ...], sources: dict[Device, str]):
        self.context, self.server, self.devices = context, server, devices
        self.guest: Guest = context.guest(NAME, program=f"usb {form} {' '.join(PARTS[each] for each in devices)}", machine=MACHINE,
                                          usb={device.port: source for device, source in sources.items()})
        self.typist = Typist(server)
        self.line = SerialEnd(server)

    def __enter__(self) -> "Desk":
        if SERIAL in self.devices:
            self.line.__enter__()
        return self

    def __exit__(self, kind, *rest) -> None:
        if SERIAL in self.devices:
            self.line.__exit__(kind, *rest)

    def start(self, host: Host) -> None:
        prepare(host)
        self.silent_bytes = wav(self.server.directory).stat().st_size
        self.guest.start(host)

    def wait_at_work(self) -> None:
        for device in self.devices:
            self.said(AT_WORK[device], f"{device.name} to be at work")

    def said(self, pattern: str, what: str, times: int = 1):
        return self.guest.wait_console(rf"(?s)(?:{pattern}.*?){{{times}}}", WORK_SECONDS, what)

    def wait_keys(self) -> None:
        """Until all keys that were typed have come. One more, or another one, ends the wait as a failure."""
        self.said(rf"keys {self.typist.typed}\b", f"key {self.typist.typed}")

    def stop(self) -> None:
        """Ends the work: all of it is there, once."""
        self.guest.type("stop")
        figures = self.context.figures
        if KEYBOARD in self.devices:
            keys = int(self.final(r"keys final (\d+)")[1])
            expect(keys == self.typist.typed, f"expected {self.typist.typed} keys, the guest has seen {keys}")
            figures["keys"] = keys
        if SERIAL in self.devices:
            found = self.final(r"counter final (\d+) read, (\d+) written")
            self.wait_number(int(found[2]))
            figures["numbers_to_guest"], figures["numbers_from_guest"] = int(found[1]), self.line.numbers.read
        if AUDIO in self.devices:
            self.listen(self.final(r"frames final (\d+) played, (\d+) underruns"))
        if STICK in self.devices:
            self.counters = [int(each) for each in self.final(r"slots sda final((?: \d+)+)")[1].split()]
            figures["stick_writes"] = sum(self.counters)
        expect("STALE" not in self.guest.console(), "the guest has read something else from the stick than it wrote: see its console")

    def final(self, pattern: str):
        return self.guest.wait_console(pattern, WORK_SECONDS, f"the guest to say {pattern}")

    def wait_number(self, last: int) -> None:
        """The newest one that the guest has written is here."""
        deadline = time.monotonic() + COMMAND_SECONDS
        while self.line.numbers.last != last:
            self.line.check()
            expect(time.monotonic() < deadline, f"expected number {last} from the guest, the newest is {self.line.numbers.last}")
            time.sleep(0.1)

    def listen(self, final) -> None:
        played, underruns = int(final[1]), int(final[2])
        found = heard(wav(self.server.directory), self.silent_bytes)
        self.context.figures |= {"played_frames": played, "underruns": underruns} | found.figures()
        expect(found.frames >= HEARD_SHARE * played, f"expected the loudspeaker to hear {HEARD_SHARE:.0%} of {played} frames, found {found}")

    def end(self) -> None:
        """No guest any more; the stick's medium, from outside, holds what was written last."""
        self.guest.destroy()
        self.guest.expect_nothing_left()
        if STICK in self.devices:
            slots.verify_from_outside(STICK_RAW, self.counters)
        for device in self.devices:
            unplug(self.server, device)
