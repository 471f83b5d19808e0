"""What the guest with USB devices must have said in the end, without hosts."""

import re
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.report import Failure  # noqa: E402 - the path above
from xenlab.scenarios import ORDER, load  # noqa: E402
from xenlab.usb_desk import Desk  # noqa: E402
from xenlab.usb_devices import AUDIO, DEVICES, KEYBOARD, STICK, wav  # noqa: E402
from xenlab.usb_ends import FIRST, NUMBER_BITS, SPARE_BITS, VOLUME, WAV_HEADER_BYTES  # noqa: E402

SAID = """keys final 2
counter final 7 read, 9 written
frames final 10 played, 0 underruns
slots sda final 3 4
"""


class ScriptedGuest:
    """One that has said so."""

    def __init__(self, said: str):
        self.said = said
        self.typed = []

    def type(self, line: str) -> None:
        self.typed.append(line)

    def console(self) -> str:
        return self.said

    def wait_console(self, pattern: str, seconds: float, what: str):
        found = re.search(pattern, self.said)
        if not found:
            raise Failure(f"expected {what}")
        return found


class LastWords(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.server = SimpleNamespace(name="hosta", directory=Path(directory.name), sockets=Path(directory.name))
        self.hear(10)

    def hear(self, frames: int) -> None:
        samples = b"".join(int((half << SPARE_BITS) * VOLUME / 255).to_bytes(2, "little")
                           for number in range(FIRST, FIRST + frames) for half in (number & FIRST - 1, number >> NUMBER_BITS))
        wav(self.server.directory).write_bytes(bytes(WAV_HEADER_BYTES) + samples)

    def stopped(self, said: str = SAID, typed: int = 2, devices=DEVICES) -> Desk:
        context = SimpleNamespace(figures={}, guest=lambda name, *disks, **how: ScriptedGuest(said))
        desk = Desk(context, self.server, "stock", devices, {})
        desk.typist.typed, desk.silent_bytes = typed, 0
        if desk.line:
            desk.line.numbers.last = desk.line.numbers.read = 9
        desk.stop()
        return desk

    def test_all_is_there_once(self):
        desk = self.stopped()
        self.assertEqual((desk.guest.typed, desk.counters), (["stop"], {"sda": [3, 4]}))
        self.assertEqual(desk.context.figures, desk.context.figures | {"keys": 2, "stick_writes": 7, "numbers_to_guest": 7, "heard_frames": 10})

    def test_a_key_that_is_lost(self):
        with self.assertRaisesRegex(Failure, "expected 3 keys, the guest has seen 2"):
            self.stopped(typed=3)

    def test_a_block_that_reads_otherwise(self):
        with self.assertRaisesRegex(Failure, "something else from stick or disk"):
            self.stopped("slots sda: slot 1 STALE: wrote 3, reads 2\n" + SAID)

    def test_sound_of_which_much_is_missing(self):
        self.hear(8)
        with self.assertRaisesRegex(Failure, "expected the loudspeaker to hear 90% of 10 frames"):
            self.stopped(devices=(AUDIO,))

    def test_only_what_is_on_the_desk_counts(self):
        self.assertEqual(self.stopped("keys final 2\nslots sda final 5\n", devices=(KEYBOARD, STICK)).counters, {"sda": [5]})


class Scenarios(unittest.TestCase):
    def test_those_about_usb_have_hosts_with_usb_and_no_others(self):
        self.assertEqual([name for name in ORDER if getattr(load(name), "USB", False)], ["usb", "usb-remote", "usb-migrate", "usb-kill"])


if __name__ == "__main__":
    unittest.main()
