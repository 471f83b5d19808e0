"""What a host holds: read, and compared."""

import dataclasses
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.holdings import JOURNAL_BYTES_A_TRIP, RESIDENT_KIB, RESIDENT_KIB_A_TRIP, THREADS, Holdings, grown, parse
from xenlab.report import Failure

TEXT = """threads 31
descriptors 40
resident_kib 150000
mapped_grants 1
event_ports 30
store_nodes 400
journal_bytes 9000
inflight_files 1
grants 12
"""


class Growth(unittest.TestCase):
    def setUp(self):
        self.before = parse(TEXT)

    def more(self, **counts):
        return dataclasses.replace(self.before, **{name: getattr(self.before, name) + by for name, by in counts.items()})

    def test_reads_every_count(self):
        self.assertEqual(self.before, Holdings(31, 40, 150000, 1, 30, 400, 9000, 1, 12))

    def test_a_count_that_is_not_there_is_no_zero(self):
        for broken in (TEXT.replace("threads 31\n", ""), TEXT.replace("grants 12", "grants"), TEXT.replace("31", "?")):
            with self.assertRaises(Failure):
                parse(broken)

    def test_nothing_grows(self):
        self.assertEqual(grown("hosta", self.before, self.before, 8), [])
        self.assertEqual(grown("hosta", self.before, self.more(threads=-3, grants=-12), 8), [])

    def test_one_more_is_too_much_where_nothing_may_stay(self):
        for name in ("mapped_grants", "event_ports", "store_nodes", "inflight_files", "grants"):
            (problem,) = grown("hosta", self.before, self.more(**{name: 1}), 8)
            self.assertRegex(problem, f"^hosta: {name} has grown from")

    def test_what_may_grow_has_its_bound(self):
        most = {"threads": THREADS, "journal_bytes": 8 * JOURNAL_BYTES_A_TRIP, "resident_kib": RESIDENT_KIB + 8 * RESIDENT_KIB_A_TRIP}
        self.assertEqual(grown("hosta", self.before, self.more(**most), 8), [])
        for name, by in most.items():
            self.assertEqual(len(grown("hosta", self.before, self.more(**{name: by + 1}), 8)), 1, name)

    def test_says_what_differs(self):
        self.assertEqual(self.before.since(self.before), "nothing")
        self.assertEqual(self.more(threads=2, grants=-1).since(self.before), "threads +2, grants -1")


if __name__ == "__main__":
    unittest.main()
