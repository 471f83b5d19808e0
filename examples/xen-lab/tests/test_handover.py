"""The lab's own checks of scenario handover-table, without hosts: `python3 -m unittest discover examples/xen-lab/tests`."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab import handover, one_head
from xenlab.handover import Run
from xenlab.handover_report import Report
from xenlab.moments import Clock, DomainWatch, best_clock, between
from xenlab.paper import ROWS
from xenlab.plot import median, nice
from xenlab.report import Failure

BLOCK_TRACE = """\
# tracer: nop
     kworker/0:1-90      [000] .....     5.891952: block_bio_queue: 254,48 R 65536 + 8 [kworker/0:1]
     kworker/0:1-90      [000] .....     5.892159: block_bio_queue: 254,48 WS 1280 + 8 [kworker/0:1]
     kworker/0:1-90      [000] .....     5.892160: block_bio_queue: 254,64 WS 1280 + 8 [moments]
          <idle>-0       [000] dNh2.     5.897266: block_rq_complete: 254,48 R () 65536 + 8 [0]
          <idle>-0       [000] dNh3.     5.901386: block_rq_complete: 254,48 WS () 1280 + 8 [0]
     kworker/0:1-90      [000] .....     6.525366: block_bio_queue: 254,48 R 65536 + 8 [kworker/0:1]
"""


def lines(*entries: dict) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


class Measures(unittest.TestCase):
    def test_resubmission_is_the_first_bio_to_the_last_completion_of_the_rounds_requests(self):
        events = handover.block_events(BLOCK_TRACE, "254,48", {65536, 1280})
        self.assertEqual(handover.handled_by_resubmission(events, 2), (5_891_952, 5_901_386))

    def test_a_request_that_was_not_resubmitted_is_a_failure(self):
        events = handover.block_events(BLOCK_TRACE, "254,48", {65536, 1280, 2304})
        with self.assertRaises(Failure):
            handover.handled_by_resubmission(events, 3)

    def test_netchannel_is_the_seals_begin_to_the_stage_on_one_clock(self):
        source = lines({"t": 900, "gen": 1, "e": "seal", "pending": 9, "incomplete": 9},
                       {"t": 5_200, "gen": 1, "e": "seal", "pending": 2, "incomplete": 1},
                       {"t": 5_201, "gen": 1, "seq": 1, "e": "hand", "state": "done"},
                       {"t": 5_202, "gen": 1, "seq": 2, "e": "hand", "state": "answered"})
        seal = handover.sealed(handover.trace_entries(source, 1_000))
        self.assertEqual((seal.pending, seal.incomplete, seal.states), (2, 1, {"done": 1, "answered": 1}))
        timeline = [{"time": "2026-11-23T06:41:33.002500Z", "host": "hosta", "event": "suspended", "detail": "seal begins: x"}]
        began = handover.seal_began(timeline, "hosta") - handover.micros_of("2026-11-23T06:41:33Z")
        self.assertEqual(began, 2_500)
        stage, _ = handover.outcomes_there([{"t": 106_500, "e": "stage", "gen": 1, "pending": 2}, {"t": 1, "e": "adopt"}], 2)
        took, parts = handover.handled_by_netchannel(began, seal, stage, Clock(1_000_000, 5, 0), Clock(900_000, 5, 0))
        self.assertEqual((took, parts), (4.0, {"seal": 2.7, "hand_over": 1.3}))

    def test_the_last_answer_is_of_what_was_resubmitted_not_of_later_requests(self):
        entries = [{"t": 1, "gen": 2, "seq": 1, "e": "take"}, {"t": 2, "gen": 2, "seq": 2, "e": "take"},
                   {"t": 3, "gen": 2, "seq": 2, "e": "issue"}, {"t": 9, "gen": 2, "seq": 1, "e": "answer"},
                   {"t": 7, "gen": 2, "seq": 2, "e": "answer"}, {"t": 10, "gen": 2, "seq": 3, "e": "take"},
                   {"t": 12, "gen": 2, "seq": 3, "e": "answer"}]
        self.assertEqual(handover.last_answer(entries, 2), (9, 1))

    def test_only_the_hook_that_holds_the_resume_counts(self):
        hooks = lines({"t": 10, "end": 5_010, "domain": "g", "operation": "started", "sub": "begin", "code": 0},
                      {"t": 2_000, "end": 9_000, "domain": "g", "operation": "start", "sub": "begin", "code": 0},
                      {"t": 2_000, "end": 4_500, "domain": "g", "operation": "started", "sub": "begin", "code": 0})
        self.assertEqual(handover.hook_millis(hooks, "g", 1_000, 0), 2.5)

    def test_what_the_lab_holds_up_does_not_count(self):
        hooks = lines({"t": 2_000, "end": 4_500, "domain": "g", "operation": "started", "sub": "begin", "code": 0})
        self.assertEqual(handover.hook_millis(hooks, "g", 1_000, 4_000), 0.5)

    def test_the_best_clock_is_the_note_that_took_least(self):
        said = [{"e": "said", "text": "a", "before": 100, "t": 200}, {"e": "said", "text": "b", "before": 300, "t": 310}]
        clock = best_clock(said, [{"text": "a", "t": 1_150}, {"text": "b", "t": 1_310}])
        self.assertEqual((clock.offset_micros, clock.error_micros), (1_005, 5))
        self.assertEqual(between(Clock(10, 1, 0), Clock(20, 2, 100), 50).here(50), 65)

    def test_the_unpause_is_the_last_one_before_the_answer(self):
        entries = [{"e": e, "domain": "7", "t": t} for e, t in (("paused", 1), ("runs", 2), ("paused", 3), ("runs", 4), ("runs", 9))]
        self.assertEqual(DomainWatch(None, entries).last("runs", 7, 8), 4)

    def test_offsets_are_those_of_the_guests_program(self):
        self.assertEqual(handover.offsets(1 << 20, 64 << 20, 3, 1), [33 << 20, (1 << 20) + (128 << 10), (1 << 20) + (256 << 10)])


class TheReport(unittest.TestCase):
    def setUp(self):
        self.report = Report(
            [Run("netchannel", row.pending, row.incomplete, 1.0 + row.incomplete * 2.7 + k, 100 + k, 50, 0.2,
                 {"seal": 0.5 + row.incomplete * 2.7, "hand_over": 0.5}) for row in ROWS for k in range(3)]
            + [Run("stock", row.pending, row.incomplete, row.pending * 2.7, 400, 0) for row in ROWS])

    def test_table(self):
        text = self.report.text()
        self.assertIn("32          7     20.90 (19.90-21.90)      86.40 (86.40-86.40)    4.1   6 missed", text)
        self.assertIn("32 (7): 20.90 ms are 19.40 ms of seal, in which the device took 18.9 ms for 7 incomplete requests,", text)
        self.assertIn("no more than 4.6 times is possible", text)

    def test_figures(self):
        row = self.report.figures()["rows"][0]
        self.assertEqual((row["ratio"], row["goal_reached"], row["guest_view_share"]), (6.75, False, 0.38))
        json.dumps(self.report.figures())

    def test_rows_that_did_not_run_are_left_out(self):
        report = Report([run for run in self.report.runs if run.pending in (12, 32)])
        self.assertEqual([row["pending"] for row in report.figures()["rows"]], [12, 32])
        self.assertNotIn("\n     16 ", report.text())
        ElementTree.fromstring(report.picture())

    def test_picture_is_xml(self):
        ElementTree.fromstring(self.report.picture())

    def test_small_tools(self):
        self.assertEqual((median([3, 1, 2]), median([4, 1, 2, 3]), nice(0.03), nice(7)), (2, 2.5, 0.05, 10))


class TheDisk(unittest.TestCase):
    """The real one, of nbdkit, and qemu-io as its client."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        patched = mock.patch.object(one_head, "RUN", Path(directory.name))
        patched.start()
        self.addCleanup(patched.stop)
        self.disk = one_head.OneHead(Path(directory.name))
        self.disk.start(keep=False)
        self.addCleanup(self.disk.stop)

    def client(self, host: str, *commands: str) -> subprocess.Popen:
        arguments = [word for command in commands for word in ("-c", command)]
        return subprocess.Popen(["qemu-io", "-f", "raw", *arguments, f"nbd+unix:///{host}/disk?socket={self.disk.socket}"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def test_one_request_after_the_other(self):
        clients = [self.client(host, *(f"aio_read {k << 17} 4k" for k in range(8)), "aio_flush") for host in ("hosta", "hostb")]
        for client in clients:
            self.assertEqual(client.wait(timeout=20), 0)
            client.stdout.close()
        starts = sorted(e["start"] for e in self.disk.log() if e["e"] == "done")
        self.assertEqual(len(starts), 16)
        # Times are rounded to microseconds, and booked a few after they were read.
        self.assertGreaterEqual(min(b - a for a, b in zip(starts, starts[1:])), one_head.SERVICE_MICROS - 100)

    def test_an_area_of_one_host_is_held_until_it_is_released(self):
        self.disk.say("hold slow hosta")
        half = one_head.SIZE_BYTES // 2
        held = self.client("hosta", "aio_write -P 7 0 4k", f"aio_write -P 7 {half} 4k", "aio_flush")
        other = self.client("hostb", f"read {half} 4k")
        self.assertEqual(other.wait(timeout=20), 0)
        while not any(e["e"] == "done" and e["host"] == "hosta" for e in self.disk.log()):
            self.assertIsNone(held.poll())
        mark = self.disk.log_size()
        self.disk.say("release slow hosta")
        self.assertEqual(held.wait(timeout=20), 0)
        self.assertEqual([e["host"] for e in self.disk.log(mark) if e["e"] == "done"], ["hosta"])
        for client in (held, other):
            client.stdout.close()
        with open(self.disk.file, "rb") as file:
            file.seek(half)
            self.assertEqual(file.read(4096), b"\7" * 4096)

    def test_a_line_it_does_not_know_is_refused(self):
        with self.assertRaises(one_head.LabError):
            self.disk.say("hold everything")


if __name__ == "__main__":
    unittest.main()
