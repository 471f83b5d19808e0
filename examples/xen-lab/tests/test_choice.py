"""Which scenarios a bounded run takes."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.choice import ALWAYS, CODE, COSTS, GUEST_SECONDS, HOSTS_SECONDS, choose, newest_work, own_file, seconds
from xenlab.report import LabError
from xenlab.scenarios import ORDER
from xenlab.settings import REPO

BUDGET = 2000
COMMITS = [f"commit {n}" for n in range(200)]
SERVER = CODE + "server/Session.java"
REMOTE = {"auction", "swap-home", "remote", "cut", "server-restart", "fence", "stay-behind", "usb-remote", "usb-migrate", "usb-kill"}


class Choices(unittest.TestCase):
    def test_every_scenario_has_its_cost_and_every_path_is_there(self):
        self.assertEqual(COSTS.keys(), set(ORDER))
        for name, cost in COSTS.items():
            self.assertTrue((REPO / own_file(name)).is_file(), name)
            for pattern in cost.touched_by:
                begins = re.match(r"[^(\[.*]*", pattern)[0]
                self.assertTrue(any(REPO.glob(f"{begins}*")), f"{name}: nothing is named {begins}...")

    def test_one_commit_one_choice_in_the_labs_order(self):
        for commit in COMMITS[:20]:
            choice = choose(BUDGET, commit, [SERVER])
            self.assertEqual(choice, choose(BUDGET, commit, [SERVER, SERVER]))
            self.assertEqual(sorted(choice.taken, key=ORDER.index), list(choice.taken))
            self.assertEqual(set(choice.taken) ^ set(choice.left_out), set(ORDER))

    def test_stays_within_the_time_and_leaves_out_nothing_that_fits(self):
        for commit in COMMITS:
            choice = choose(BUDGET, commit, [SERVER])
            self.assertEqual(choice.seconds, seconds(list(choice.taken)))
            self.assertLessEqual(choice.seconds, BUDGET)
        self.assertEqual(choose(100_000, "any", []).left_out, ())

    def test_always_takes_what_it_must(self):
        self.assertEqual(choose(0, "any", [SERVER]).taken, ALWAYS)
        for commit in COMMITS:
            self.assertLessEqual(set(ALWAYS), set(choose(BUDGET, commit, [SERVER]).taken))

    def test_takes_what_the_newest_work_touches(self):
        touched = [len(REMOTE & set(choose(BUDGET, commit, [SERVER]).taken)) for commit in COMMITS]
        idle = [len(REMOTE & set(choose(BUDGET, commit, ["README.md"]).taken)) for commit in COMMITS]
        self.assertGreaterEqual(min(touched), 1)
        self.assertLess(sum(idle), sum(touched))
        for commit in COMMITS:
            self.assertIn("late-write", choose(BUDGET, commit, [own_file("late-write"), SERVER]).taken)

    def test_everything_has_its_turn_whatever_is_worked_on(self):
        for changed in ([], [SERVER], [CODE + "coordinator/Outgoing.java", CODE + "midpoint/MidPoint.java"]):
            seen = set().union(*(choose(BUDGET, commit, changed).taken for commit in COMMITS))
            self.assertEqual(seen, set(ORDER), changed)

    def test_a_guest_that_is_shared_is_paid_for_once(self):
        apart = seconds(["abort", "remote", "kill"])
        together = seconds(["abort", "kill", "remote"])
        self.assertEqual(apart - together, GUEST_SECONDS)
        self.assertEqual(seconds([]), HOSTS_SECONDS)


class NewestWork(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.repository = Path(directory.name)
        self.git("init", "-q")

    def git(self, *words, date="2026-01-01T00:00:00Z"):
        subprocess.run(["git", "-C", self.repository, "-c", "user.name=x", "-c", "user.email=x@y", *words], check=True,
                       capture_output=True, env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date, "HOME": "/nowhere"})

    def commit(self, name, date):
        (self.repository / name).write_text(date)
        self.git("add", ".", date=date)
        self.git("commit", "-q", "-m", name, date=date)

    def test_a_day_before_the_newest_commit_and_what_is_not_committed(self):
        self.commit("old", "2026-01-01T00:00:00Z")
        self.commit("yesterday", "2026-02-01T12:00:00Z")
        self.commit("newest", "2026-02-02T11:00:00Z")
        commit, changed = newest_work(self.repository)
        self.assertRegex(commit, r"^[0-9a-f]{40}$")
        self.assertEqual(changed, ["newest", "yesterday"])
        (self.repository / "pending file").write_text("")
        (self.repository / "old").unlink()
        self.assertEqual(newest_work(self.repository)[1], ["newest", "old", "pending file", "yesterday"])

    def test_says_what_it_needs(self):
        with self.assertRaisesRegex(LabError, "git checkout"):
            newest_work(self.repository / "nothing")


if __name__ == "__main__":
    unittest.main()
