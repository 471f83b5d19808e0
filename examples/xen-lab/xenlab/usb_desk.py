"""The guest of the scenarios about USB, with what is on a desk: keyboard, stick, serial line or modem, loudspeaker, each at work; and a disk,
if it is to have one. In the end nothing of what was typed, written and counted may be lost or have come twice."""

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Callable

from . import slots
from .guest import Disk, Guest
from .hosts import SHARED_DISKS, Host
from .kernel_log import KernelLog
from .report import expect
from .settings import COMMAND_SECONDS
from .usb import LOOK_SECONDS, MACHINE, prepare, unplug
from .usb_devices import AUDIO, KEYBOARD, MODEM, SERIAL, STICK, STICK_RAW, Device, stick_log, wav
from .usb_ends import KEYS_KEPT, ModemEnd, SerialEnd, Typist, heard, stick_writes
from .watch import Watch

NAME = "desk"
DISK = "xvdb"
PARTS = {KEYBOARD: "keys", STICK: "stick", SERIAL: "serial", MODEM: "modem", AUDIO: "audio"}  # of usb/usb
AT_WORK = {KEYBOARD: "keys here", STICK: r"slots sda aio: \d", SERIAL: r"counter [1-9]\d* read", MODEM: r"counter [1-9]\d* read",
           AUDIO: r"frames [1-9]\d* played"}
LINES = {SERIAL: SerialEnd, MODEM: ModemEnd}  # one on a desk
WORK_SECONDS = COMMAND_SECONDS
WRITES_SECONDS = COMMAND_SECONDS
KEYS, NUMBERS = 10, 10  # that show that they go on
# Of what was played. A loudspeaker's frames that come too late are lost, as on any computer.
HEARD_SHARE = 0.9


class Desk:
    """A context. Its devices are at `server` and plugged in; `sources` says as what the guest finds them in its metadata.
    `disk` has the target DISK; `figures` are the scenario's if nothing else is said."""

    def __init__(self, context, server: Host, form: str, devices: tuple[Device, ...], sources: dict[Device, str], disk: Disk | None = None,
                 vcpus: int = 1, figures: dict | None = None):
        self.context, self.server, self.devices, self.disk = context, server, devices, disk
        parts = [PARTS[each] for each in devices] + (["disk"] if disk else [])
        self.guest: Guest = context.guest(NAME, *([disk] if disk else []), program=f"usb {form} {' '.join(parts)}",
                                          machine=replace(MACHINE, vcpus=vcpus),
                                          usb={device.port: source for device, source in sources.items()})
        self.kernel_log = KernelLog(self.guest)
        self.typist = Typist(server)
        self.line = next((LINES[each](server) for each in devices if each in LINES), None)
        self.watches: list[Watch] = []
        self.counters: dict[str, list[int]] = {}  # of the blocks on stick and disk, at the end
        self.figures: dict = context.figures if figures is None else figures

    def __enter__(self) -> "Desk":
        if self.line:
            self.line.__enter__()
        return self

    def __exit__(self, kind, *rest) -> None:
        if self.line:
            self.line.__exit__(kind, *rest)

    # ------------------------------------------------------------------------------------------------ at work

    def start(self, host: Host) -> None:
        prepare(host)
        self.silent_bytes = wav(self.server.directory).stat().st_size
        self.logged_bytes = stick_log(self.server.directory).stat().st_size
        self.guest.start(host)

    def wait_at_work(self) -> None:
        for device in self.devices:
            self.said(AT_WORK[device], f"{device.name} to be at work")
        if self.disk:
            self.said(rf"slots {DISK} aio: \d", "the disk to be at work")
        self.begun = self.line.begun if MODEM in self.devices else 1
        self.kernel_log.mark()

    def said(self, pattern: str, what: str, times: int = 1):
        return self.guest.wait_console(rf"(?s)(?:{pattern}.*?){{{times}}}", WORK_SECONDS, what)

    def wait_keys(self) -> None:
        """Until all keys that were typed have come. One more, or another one, ends the wait as a failure."""
        self.said(rf"keys {self.typist.typed}\b", f"key {self.typist.typed}")

    def type(self, keys: int) -> None:
        """They come, each of them. A guest that has just resumed has a kernel that keeps few keys for a program that is slow."""
        for _ in range(keys):
            deadline = time.monotonic() + WORK_SECONDS
            while self.typist.typed - self.keys_seen() >= KEYS_KEPT:
                self.guest.complain(self.guest.said())
                expect(time.monotonic() < deadline, f"expected some of {self.typist.typed} keys, the guest has seen {self.keys_seen()}")
                time.sleep(LOOK_SECONDS)
            self.typist.type(1)
        self.wait_keys()

    def keys_seen(self) -> int:
        return self._newest(r"keys (\d+)\b")

    def _newest(self, pattern: str) -> int:
        """The greatest number that the guest has said."""
        return max((int(number) for number in re.findall(pattern, self.guest.said())), default=0)

    @contextmanager
    def watching(self):
        """What is written to stick and disk is looked at from outside while it lasts; nothing of it is older than what was there."""
        with ExitStack() as watches:
            if STICK in self.devices:
                self.watches.append(watches.enter_context(Watch(STICK_RAW, slots.LAYOUT)))
            if self.disk:
                self.watches.append(watches.enter_context(Watch(SHARED_DISKS[self.disk.device], slots.LAYOUT)))
            yield
        for watch in self.watches:
            self.figures[watch.path.stem] = watch.figures()
            expect(not watch.steps_back, f"late writes landed on {watch.path.name}: {watch.steps_back[:3]}")
        self.watches.clear()

    def move(self, to: Host) -> float:
        """`virsh migrate --live` while somebody types. Returns the seconds it took; everything goes on there."""
        with self.typist.typing(self.keys_seen) if KEYBOARD in self.devices else ExitStack():
            seconds = self.guest.move(to)
        self.goes_on()
        return seconds

    def goes_on(self) -> None:
        """Each device does what it did; stick and disk, if they are watched."""
        if KEYBOARD in self.devices:
            self.type(KEYS)
        for watch in self.watches:
            watch.wait_all_change(WRITES_SECONDS)
        if self.line:
            self._grows(lambda: self.line.last, NUMBERS, "numbers from the guest")
            self._grows(lambda: self._newest(r"counter (\d+) read"), NUMBERS, "numbers to the guest")
        if AUDIO in self.devices:
            self._grows(lambda: self._newest(r"frames (\d+) played"), 1, "frames of sound")

    def _grows(self, now: Callable[[], int], by: int, what: str) -> None:
        wanted, deadline = now() + by, time.monotonic() + WORK_SECONDS
        while now() < wanted:
            self.guest.complain(self.guest.said())
            expect(time.monotonic() < deadline, f"expected more {what}, up to {wanted}, found {now()}")
            time.sleep(LOOK_SECONDS)

    # ------------------------------------------------------------------------------------------------ the end

    def stop(self) -> None:
        """Ends the work: all of it is there, once."""
        self.guest.type("stop")
        if KEYBOARD in self.devices:
            keys = int(self.final(r"keys final (\d+)")[1])
            expect(keys == self.typist.typed, f"expected {self.typist.typed} keys, the guest has seen {keys}")
            self.figures["keys"] = keys
        if self.line:
            found = self.final(r"counter final (\d+) read, (\d+) written")
            self.wait_number(int(found[2]))
            self.figures["numbers_to_guest"], self.figures["numbers_from_guest"] = int(found[1]), self.line.read
        if AUDIO in self.devices:
            self.listen(self.final(r"frames final (\d+) played, (\d+) underruns"))
        if STICK in self.devices:
            self.figures["stick_writes"] = self.last_counters("sda")
        if self.disk:
            self.figures["disk_writes"] = self.last_counters(DISK)
        expect("STALE" not in self.guest.console(), "the guest has read something else from stick or disk than it wrote: see its console")

    def last_counters(self, name: str) -> int:
        """Their sum is the number of writes."""
        self.counters[name] = [int(each) for each in self.final(rf"slots {name} final((?: \d+)+)")[1].split()]
        return sum(self.counters[name])

    def final(self, pattern: str):
        return self.guest.wait_console(pattern, WORK_SECONDS, f"the guest to say {pattern}")

    def wait_number(self, last: int) -> None:
        """The newest one that the guest has written is here."""
        deadline = time.monotonic() + COMMAND_SECONDS
        while self.line.last != last:
            expect(time.monotonic() < deadline, f"expected number {last} from the guest, the newest is {self.line.last}")
            time.sleep(LOOK_SECONDS)

    def listen(self, final) -> None:
        played, underruns = int(final[1]), int(final[2])
        found = heard(wav(self.server.directory), self.silent_bytes)
        self.figures |= {"played_frames": played, "underruns": underruns} | found.figures()
        expect(found.frames >= HEARD_SHARE * played, f"expected the loudspeaker to hear {HEARD_SHARE:.0%} of {played} frames, found {found}")

    def expect_each_write_once(self) -> None:
        """As the stick itself tells: none was done again, none is missing. After `stop`."""
        wanted = slots.writes(self.counters["sda"])
        found = stick_writes(stick_log(self.server.directory), self.logged_bytes)
        expect(found == wanted, f"expected the stick to write each block once, (sector, sectors): times wanted {dict(wanted)}, found {dict(found)}")

    def expect_undisturbed(self) -> None:
        """Since all were at work nothing was plugged anew or reset, and the guest's kernel has had nothing to complain about."""
        self.kernel_log.expect_quiet()
        if MODEM in self.devices:
            expect(self.line.begun == self.begun, f"expected {self.line.line} to stay as it was, it began {self.line.begun} times")

    def end(self) -> None:
        """No guest any more; stick and disk, from outside, hold what was written last."""
        self.guest.destroy()
        self.guest.expect_nothing_left()
        if STICK in self.devices:
            slots.verify_from_outside(STICK_RAW, self.counters["sda"])
        if self.disk:
            slots.verify_from_outside(SHARED_DISKS[self.disk.device], self.counters[DISK])
        for device in self.devices:
            unplug(self.server, device)
