"""That goals are computed from what was measured, and a missing or worse number is seen."""

import sys
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCH), str(BENCH.parent / "remote"), str(BENCH.parents[1] / "xen-lab")]

from swapbench.__main__ import median, sampled, table  # noqa: E402
from swapbench.rows import ROWS, Sample, goals  # noqa: E402
from swapbench.ways import Marks  # noqa: E402

STEADY = next(row for row in ROWS if row.name == "steady")


def sample(rate: float, p99: float, **more: float) -> Sample:
    return Sample(ended=True, copy_mib_per_second=rate, copy_p99=p99, **more)


def by_name(found: list[dict]) -> dict[str, dict]:
    return {each["name"]: each for each in found}


class GoalsTest(unittest.TestCase):
    def medians(self, ours: Sample) -> dict[str, dict[str, Sample]]:
        return {"steady": {"netchannel": ours, "qemu-write-blocking": sample(100, 50), "qemu-small-buffer": sample(80, 5)}}

    def test_met_and_missed(self) -> None:
        found = by_name(goals(self.medians(sample(95, 8, source_allocated=128, target_allocated=140)), None))
        self.assertTrue(found["steady: copy rate over QEMU's write-blocking"]["met"])
        self.assertEqual(found["steady: copy rate over QEMU's write-blocking"]["found"], 0.95)
        self.assertTrue(found["steady: the guest's p99 over QEMU's write-blocking"]["met"])
        self.assertFalse(found["steady: the guest's p99 over QEMU's best buffer"]["met"])
        self.assertTrue(found["steady: what the target takes over what the source takes"]["met"])

    def test_what_was_not_found_is_not_met(self) -> None:
        found = by_name(goals(self.medians(Sample(ended=False)), None))
        self.assertFalse(any(each["met"] for each in found.values()))

    def test_one_that_did_not_end_counts(self) -> None:
        self.assertFalse(median([sample(1, 1), Sample(ended=False)]).ended)
        self.assertIn("did not end", table({"overload": {"netchannel": Sample(ended=False)}}, None))


class SampledTest(unittest.TestCase):
    def test_phases(self) -> None:
        marks = Marks(begun=100.0, synced=104.0, pivot=105.0, done=105.5)
        points = [(90.0, 99.0), (98.0, 1.0), (101.0, 2.0), (103.0, 4.0), (104.5, 7.0), (105.2, 3.0), (105.7, 9.0), (106.0, 50.0)]
        found = sampled(STEADY, marks, points)
        self.assertEqual(found.copy_mib_per_second, STEADY.size_mib / 2 / 4)
        self.assertEqual((found.before_p50, found.copy_p99, found.copy_longest, found.pivot_longest), (1.0, 4.0, 4.0, 9.0))

    def test_an_exchange_that_does_not_end_has_no_rate(self) -> None:
        found = sampled(STEADY, Marks(begun=100.0), [(99.0, 1.0), (101.0, 2.0)])
        self.assertIsNone(found.copy_mib_per_second)
        self.assertFalse(found.ended)


if __name__ == "__main__":
    unittest.main()
