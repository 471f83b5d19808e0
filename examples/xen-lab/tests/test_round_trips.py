"""How often a guest goes there and back until requests were handed over."""

import json
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab import product, round_trips  # noqa: E402 - the path above
from xenlab.report import Failure  # noqa: E402

HOSTS = (SimpleNamespace(name="hosta"), SimpleNamespace(name="hostb"))
GUEST = SimpleNamespace(name="moving")


def trips(least: int, pending: list[tuple[int, int]]) -> int:
    """Done when trip K leaves hosta and hostb with pending[K] requests."""
    seals = {"hosta": [], "hostb": []}

    def trace(host, *_):
        return "\n".join(seals[host.name])

    done = 0
    with mock.patch.object(product, "trace", trace), mock.patch.object(round_trips, "say"):
        for trip in round_trips.round_trips(HOSTS, GUEST, "xvdb", least):
            for host, count in zip(("hosta", "hostb"), pending[trip]):
                seals[host].append(json.dumps({"t": 1, "gen": 1, "e": "seal", "pending": count, "incomplete": 0}))
            done += 1
    return done


class RoundTripsTest(unittest.TestCase):
    def test_as_many_as_asked_for_when_both_handed_over(self):
        self.assertEqual(1, trips(1, [(3, 4)]))
        self.assertEqual(2, trips(2, [(0, 4), (1, 0)]))

    def test_once_more_while_one_had_nothing(self):
        self.assertEqual(3, trips(1, [(0, 4), (0, 2), (5, 0)]))

    def test_not_for_ever(self):
        self.assertEqual(1 + round_trips.MORE_TRIPS, trips(1, [(0, 1)] * 10))

    def test_verdict(self):
        done = [{"source": "hosta", "pending": 0}, {"source": "hostb", "pending": 2}] * 2
        with self.assertRaisesRegex(Failure, r"handed over by hosta, found \[0, 0\]"):
            round_trips.expect_handed_over(done, 2)
        with self.assertRaisesRegex(Failure, "expected 2 migrations in the traces, found 4"):
            round_trips.expect_handed_over(done, 1)
        done[2]["pending"] = 1
        round_trips.expect_handed_over(done, 2)


if __name__ == "__main__":
    unittest.main()
