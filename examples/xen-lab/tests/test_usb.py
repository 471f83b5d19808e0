"""USB devices of the hosts and what is looked for at their other ends, without hosts."""

import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import unittest
from array import array
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.guest_image import compile_programs  # noqa: E402 - the path above
from xenlab.hosts import Host  # noqa: E402
from xenlab.report import Failure  # noqa: E402
from xenlab.settings import LAB, TARGET  # noqa: E402
from xenlab.usb import gadget_script  # noqa: E402
from xenlab.usb_devices import CONTROLLER, DEVICES, KEYBOARD, MODEM, STICK  # noqa: E402
from xenlab.usb_ends import FIRST, KEYS_KEPT, NUMBER_BITS, PACE_SECONDS, RATE, SPARE_BITS, VOLUME, WAV_HEADER_BYTES, Numbers, Typist, heard  # noqa: E402

BOUND_SECONDS = 30


def numbers(*received: bytes) -> Numbers:
    found = Numbers()
    for each in received:
        found.feed(each)
    return found


class SerialNumbers(unittest.TestCase):
    def test_in_order_however_they_are_cut(self):
        found = numbers(b"\n00000", b"00001\n0000000002", b"\n0000")
        self.assertEqual((found.read, found.last), (2, 2))

    def test_one_that_is_lost_doubled_or_torn(self):
        for received, words in ((b"0000000001\n0000000003\n", "expected 2 from the guest, found 3"),
                                (b"0000000001\n0000000001\n", "expected 2 from the guest, found 1"),
                                (b"00000001\n0000000002\n", "ten digits")):
            with self.assertRaisesRegex(Failure, words):
                numbers(received)

    def test_an_echo_at_the_beginning_is_passed_over(self):
        self.assertEqual(numbers(b"00041\r\n0000000042\r\n\n0000000001\n").read, 1)
        with self.assertRaisesRegex(Failure, "found b'00041"):
            numbers(b"00041\r\n0000000042\r\n0000000001\n")

    def test_after_an_empty_line_it_goes_on_later_never_earlier(self):
        self.assertEqual(numbers(b"0000000001\n0000000002\n000", b"\n", b"\n0000000004\n").last, 4)
        with self.assertRaisesRegex(Failure, "expected 2 from the guest, found 1"):
            numbers(b"0000000001\n\n0000000001\n")

    @contextmanager
    def counting(self, *stop: str):
        """The guest's program, and the other end of its line; with `stop` as in dom0."""
        TARGET.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TARGET) as directory:
            compile_programs(LAB / "usb", Path(directory))
            master, slave = os.openpty()
            words = [str(Path(directory) / each) for each in stop]
            process = subprocess.Popen([f"{directory}/counter", os.ttyname(slave), *words], stdout=subprocess.PIPE, text=True)
            try:
                self.assertEqual(process.stdout.readline(), "counter here\n")
                yield process, master, words
            finally:
                process.kill()
                process.communicate()
                os.close(master)
                os.close(slave)

    def test_the_guests_program_counts_and_finds_what_is_lost(self):
        with self.counting() as (process, master, _):
            found = Numbers()
            while found.read < 3:
                self.assertTrue(select.select([master], [], [], BOUND_SECONDS)[0])
                found.feed(os.read(master, 4096))
            os.write(master, b"567\n0000000568\n0000000569\n0000000571\n")
            self.assertEqual(process.stdout.readline(), "counter FAILED: expected 0000000570, found 0000000571\n")

    def test_in_dom0_it_answers_and_goes_on_later_after_an_empty_line_until_it_is_told_to_end(self):
        with self.counting("stop") as (process, master, [stop]):
            self.assertFalse(select.select([master], [], [], 2 * PACE_SECONDS)[0])
            os.write(master, b"7\n0041\r\n\n0000000008\n\n0000000010\n0000000011\n")
            found = Numbers()
            while found.read < 3:  # by then it has looked at what it got
                self.assertTrue(select.select([master], [], [], BOUND_SECONDS)[0])
                found.feed(os.read(master, 4096))
            Path(stop).touch()
            self.assertRegex(process.stdout.readline(), r"^counter final 3 read, \d+ written, newest 11\n$")

    def test_it_goes_never_back_and_takes_no_echo_for_a_number(self):
        for received, words in ((b"7\n0000000008\n\n0000000008\n", "expected 0000000009, found 0000000008"),
                                (b"7\n0000000041\r\n0000000042\n", "expected a number of ten digits, found 0000000041")):
            with self.counting() as (process, master, _):
                os.write(master, received)
                self.assertIn(words, process.stdout.readline())


class Loudspeaker(unittest.TestCase):
    def file(self, *frames: int | None):
        """None: silence. As frames.c makes them, at the volume that QEMU has."""
        samples = array("h")
        for number in frames:
            halves = (0, 0) if number is None else (number & FIRST - 1, number >> NUMBER_BITS)
            samples.extend((half << SPARE_BITS) * VOLUME // 255 for half in halves)
        path = Path(self.directory) / "audio.wav"
        path.write_bytes(bytes(WAV_HEADER_BYTES) + samples.tobytes() + b"x")  # the last one is not whole yet
        return path

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def test_every_number_is_understood(self):
        found = heard(self.file(*range(FIRST, FIRST * FIRST, 37)))
        self.assertEqual(found.missing, found.gaps * 36)
        self.assertEqual(found.frames, found.gaps + 1)

    def test_what_is_missing_and_silence_are_counted(self):
        found = heard(self.file(None, FIRST, FIRST + 1, FIRST + 5, None, None, FIRST + 6))
        self.assertEqual((found.frames, found.missing, found.gaps, found.silent), (4, 3, 1, 3))

    def test_sound_of_before_is_passed_over(self):
        path = self.file(FIRST, FIRST + RATE, FIRST + RATE + 1, FIRST, FIRST + 1)
        self.assertEqual(heard(path, since_bytes=WAV_HEADER_BYTES + 4).frames, 2)

    def test_a_frame_that_comes_again(self):
        with self.assertRaisesRegex(Failure, f"expected the frame after {FIRST + 1}, heard {FIRST + 1}"):
            heard(self.file(FIRST, FIRST + 1, FIRST + 1))


class Hardware(unittest.TestCase):
    def command(self, usb: bool) -> str:
        host = Host("hosta", 1, 2201, "listen=127.0.0.1:5001", [], Path("/sockets"), SimpleNamespace(drives=lambda name: []), usb)
        return " ".join(host.qemu(Path("overlay")))

    def test_only_hosts_that_are_to_have_usb_have_it(self):
        self.assertNotIn("xhci", self.command(usb=False))
        self.assertIn(f"qemu-xhci,id={CONTROLLER}", self.command(usb=True))

    def test_devices_find_what_they_need_and_have_ports_of_their_own(self):
        command = self.command(usb=True)
        for device in DEVICES:
            for name in re.findall(r"(?:drive|chardev|audiodev)=(\w+)", device.driver):
                self.assertRegex(command, rf"(node-name|id)={name}\b")
        self.assertEqual(len({device.port for device in DEVICES}), len(DEVICES))
        self.assertEqual((KEYBOARD.path, STICK.path), ("1-1", "2-2"))

    def test_a_gadget_is_played_by_dom0_and_has_a_port_of_its_own_in_the_guest(self):
        script = gadget_script(MODEM)
        for words in ("usb_f_acm", "echo 0x1d6b >idVendor", "echo NC5 >strings/0x409/serialnumber", "/modem/UDC"):
            self.assertIn(words, script)
        self.assertEqual((MODEM.path, MODEM.port in {each.port for each in DEVICES}), ("3-1", False))

    def test_the_stick_keeps_a_log_of_its_own(self):
        self.assertIn("stick.log -trace enable=scsi_disk_dma_command_WRITE", self.command(usb=True))

    def test_no_more_is_typed_than_is_kept_while_nobody_reads(self):
        full, typed, seen = threading.Event(), [], [0]

        def keep(key: str) -> None:
            typed.append(key)
            if len(typed) == KEYS_KEPT + seen[0]:
                full.set()

        typist = Typist(SimpleNamespace(monitor=keep), seconds=0)
        with typist.typing(lambda: seen[0]):
            self.assertTrue(full.wait(BOUND_SECONDS))
            full.clear()
            seen[0] = 2
            self.assertTrue(full.wait(BOUND_SECONDS))
        self.assertEqual((len(typed), typist.typed), (KEYS_KEPT + 2, KEYS_KEPT + 2))

    def test_who_types_goes_on_in_the_alphabet(self):
        typed = []
        typist = Typist(SimpleNamespace(monitor=typed.append), seconds=0)
        typist.type(25)
        typist.type(2)
        self.assertEqual((typed[0], typed[-2:], typist.typed), ("sendkey a", ["sendkey z", "sendkey a"], 27))


if __name__ == "__main__":
    unittest.main()
