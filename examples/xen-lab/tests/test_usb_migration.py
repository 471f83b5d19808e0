"""What is looked for when a guest with USB devices migrates, without hosts."""

import json
import re
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab import kernel_log, slots, usb_gap  # noqa: E402 - the path above
from xenlab.goals import Goal  # noqa: E402
from xenlab.guest import Guest  # noqa: E402
from xenlab.report import Failure  # noqa: E402
from xenlab.settings import Options  # noqa: E402
from xenlab.usb_ends import stick_writes  # noqa: E402

QUIET = """\
<6>[   90.100000] Freezing user space processes
<6>[   90.200000] usb usb1: root hub lost power or was reset
<6>[   91.000000] xen_hcd: a line about the driver
<12>[   92.000000] a program's own warning is not the kernel's
"""


class KernelLog(unittest.TestCase):
    def test_what_a_resume_says_is_no_complaint(self):
        self.assertEqual(kernel_log.findings(QUIET), kernel_log.Findings((), ()))

    def test_a_device_that_is_plugged_anew_reset_or_gone(self):
        for words in ("usb 1-1: new full-speed USB device number 3 using xen_hcd", "usb 1-1: reset high-speed USB device number 2 using xen_hcd",
                      "usb 2-1: USB disconnect, device number 2"):
            self.assertEqual(kernel_log.findings(f"{QUIET}<6>[   93.000000] {words}\r\n").plugging, (words,))

    def test_warnings_and_errors_of_the_kernel_are_complaints(self):
        found = kernel_log.findings(f"<4>[    9.0] xen-hcd: protocol error\n{QUIET}<3>[   93.0] sd 0:0:0:0: [sda] FAILED\n")
        self.assertEqual(found.complaints, ("xen-hcd: protocol error", "sd 0:0:0:0: [sda] FAILED"))

    def test_only_what_was_said_since_the_mark_counts_and_each_look_is_a_new_one(self):
        said, typed = f"<3>[ 1.0] before\n[2026-12-01 02:20:35] <14>[ 2.0] {kernel_log.MARK}\r\n{QUIET}{kernel_log.END} 1\n", []
        guest = SimpleNamespace(type=typed.append, wait_console=lambda pattern, *_: re.search(pattern, said))
        log = kernel_log.KernelLog(guest)
        log.expect_quiet()
        said += f"[2026-12-01 02:21:35] <14>[ 2.0] {kernel_log.MARK}\r\n[2026-12-01 02:21:36] <3>[ 3.0] afterwards\n{kernel_log.END} 2\n"
        with self.assertRaisesRegex(Failure, "without complaint.*afterwards"):
            log.expect_quiet()
        self.assertEqual([each[-1] for each in re.findall(f"{kernel_log.END} .", " ".join(typed))], ["1", "2"])


class Sticks(unittest.TestCase):
    def log(self, *sectors: int) -> Path:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = Path(directory.name) / "stick.log"
        path.write_text("".join(f"77@1701.5:scsi_disk_dma_command_WRITE Write (sector {sector}, count 8)\n" for sector in sectors))
        return path

    def test_a_counter_is_so_many_writes_of_its_block(self):
        self.assertEqual(stick_writes(self.log(0, 16, 16)), slots.writes([1, 2]))
        self.assertNotEqual(stick_writes(self.log(0, 16, 16, 16)), slots.writes([1, 2]))
        self.assertNotEqual(stick_writes(self.log(0, 16, 17)), slots.writes([1, 2]))

    def test_what_a_guest_before_has_written_is_passed_over(self):
        log = self.log(0, 16)
        self.assertEqual(stick_writes(log, log.stat().st_size // 2), slots.writes([0, 1]) - slots.writes([0]))


def line(host: str, seconds: float, detail: str) -> dict:
    return {"time": f"2026-12-01T00:00:{seconds:09.6f}Z", "host": host, "detail": detail}


def trace(*entries: tuple[float, str]) -> str:
    midnight = usb_gap.micros_of("2026-12-01T00:00:00Z")
    return "".join(json.dumps({"t": midnight + round(seconds * 1e6), "gen": 1, "e": event}) + "\n" for seconds, event in entries)


class Gaps(unittest.TestCase):
    TIMELINE = [line("hosta", 10.0, "guest suspended"), line("hostb", 10.8, "usb1 taken over"), line("hostb", 10.9, "usb2 taken over"),
                line("hostb", 12.0, "hook answered, the guest may run"), line("hostb", 14.0, "usb1 first request"),
                line("hostb", 14.5, "usb2 first request")]
    # A migration before, and one URB that is answered as the guest goes.
    TRACES = {"usb1": trace((1.0, "answer"), (2.0, "seal"), (9.0, "answer"), (10.2, "seal")),
              "usb2": trace((9.5, "answer"), (10.3, "seal"), (20.0, "answer"))}

    def test_parts_of_the_last_migration_add_up(self):
        gap = usb_gap.measure({"timeline": self.TIMELINE}, self.TRACES)
        self.assertEqual({part: round(getattr(gap, part)) for part in usb_gap.PARTS},
                         {"freeze": 1000, "seal": 300, "hand_over": 600, "libxl": 1100, "window": 2500})
        self.assertEqual((round(gap.ours), gap.figures()["gap"]), (900, 5000.0))
        self.assertEqual(gap.figures()["by_port"], {"usb1": 5000.0, "usb2": 5000.0})

    def test_a_migration_that_does_not_tell_all(self):
        with self.assertRaisesRegex(Failure, "expected `usb2 first request` in the timeline"):
            usb_gap.measure({"timeline": self.TIMELINE[:-1]}, self.TRACES)
        with self.assertRaisesRegex(Failure, "expected a seal in the trace of usb2"):
            usb_gap.measure({"timeline": self.TIMELINE}, self.TRACES | {"usb2": trace((9.0, "answer"))})


class Goals(unittest.TestCase):
    def test_at_most_and_below(self):
        self.assertEqual([Goal("x", relation, 1, found).met for relation in ("<=", "<") for found in (0.9, 1, 1.1)],
                         [True, True, False, True, False, False])


class Refusals(unittest.TestCase):
    def guest(self, returncode: int, says: str, console: str = "") -> Guest:
        consoles = ["", console]
        guest = Guest("web1", SimpleNamespace(a="hosta", both=()), Options(), [])
        guest.try_to_migrate = lambda to: SimpleNamespace(returncode=returncode, stderr=says + "\n")
        guest.console = lambda to: consoles.pop(0) if len(consoles) > 1 else consoles[0]
        guest.expect_only_on = lambda host: None
        return guest

    def test_in_words_and_before_anything_is_done(self):
        self.assertEqual(self.guest(1, "no: too old").expect_refused("hostb", "too old")["message"], "no: too old")

    def test_one_that_is_none_one_for_another_reason_and_one_that_is_late(self):
        for guest, words in ((self.guest(0, ""), "it succeeded"), (self.guest(1, "no network"), "says: no network"),
                             (self.guest(1, "too old", console="guest up"), "before the destination began")):
            with self.assertRaisesRegex(Failure, words):
                guest.expect_refused("hostb", "too old")


if __name__ == "__main__":
    unittest.main()
