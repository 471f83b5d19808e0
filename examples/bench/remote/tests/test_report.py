"""Figures, table and picture, and the stages of a request, from made-up measurements."""

import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(BENCH), str(BENCH.parent.parent / "xen-lab")]

from remotebench import latency, report  # noqa: E402 - the path above
from remotebench.load import Sample  # noqa: E402
from remotebench.processes import BenchError  # noqa: E402
from remotebench.stacks import Place  # noqa: E402


def samples(*rates: float) -> list[Sample]:
    return [Sample(rate, 1e6 / rate) for rate in rates]


class ReportTest(unittest.TestCase):
    RESULTS = {"unix": {"randread-qd1": {"netchannel": samples(300, 100, 200), "qemu": samples(90, 100, 110),
                                         "nbdkit": samples(150, 160, 170)}}}

    def test_ratio_is_over_the_better_peer(self):
        cell = report.figures(self.RESULTS)["unix"]["randread-qd1"]
        self.assertEqual(("nbdkit", 1.25), (cell["best_peer"], cell["ratio"]))
        self.assertEqual(200, cell["netchannel"]["median"])

    def test_table_names_what_is_compared(self):
        table = report.table(report.figures(self.RESULTS))
        self.assertIn("Unix socket", table)
        self.assertRegex(table, r"random read, queue depth 1 +IOPS +200 +100 +160 +1.25 +nbdkit")

    def test_picture_is_well_formed(self):
        ElementTree.fromstring(report.picture(report.figures(self.RESULTS)))

    def test_without_peers_there_is_no_ratio(self):
        alone = {"unix": {"randread-qd1": {"netchannel": samples(1)}}}
        self.assertNotIn("ratio", report.figures(alone)["unix"]["randread-qd1"])
        report.picture(report.figures(alone))


class StagesTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.place = Place(Path(self.directory.name), Path(self.directory.name) / "disk")

    def note(self, requests: int, cut: bool = False) -> None:
        client, server = [], []
        for sequence in range(1, requests + 1):
            for number, (name, _) in enumerate(latency.STAGES):
                side = server if name in ("received", "issued", "finished", "replied") else client
                side.append(f"{name} {sequence} {sequence * 1_000_000 + number * 1000}")
        for part, lines in (("client", client), ("server", server)):
            text = "".join(line + "\n" for line in lines)
            (self.place.directory / f"stages-{part}.txt").write_text(text[:-4] if cut else text)

    def test_stages_add_up_to_the_whole(self):
        self.note(latency.SKIPPED + 10)
        found = latency.stages(self.place)
        self.assertEqual(9, found["requests"])
        self.assertEqual(7.0, found["total"])
        self.assertEqual(7.0, sum(found[name] for name, _ in latency.STAGES[1:]))

    def test_a_line_that_was_cut_does_not_count(self):
        self.note(latency.SKIPPED + 11, cut=True)
        found = latency.stages(self.place)
        self.assertEqual((9, 7.0), (found["requests"], found["total"]))

    def test_too_few_requests_are_an_error(self):
        self.note(10)
        with self.assertRaisesRegex(BenchError, "measure for longer"):
            latency.stages(self.place)


if __name__ == "__main__":
    unittest.main()
