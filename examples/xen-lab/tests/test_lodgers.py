"""Guests that scenarios share: who goes on with which one."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.scenarios import ORDER, Context, load


class Lodger:
    def __init__(self, name: str, host: str):
        self.name, self.host, self.destroyed = name, host, False

    def destroy(self) -> None:
        self.destroyed = True


def context(left=None, wanted=""):
    return Context(hosts=None, options=None, logs=Path(), left=left, wanted=wanted)


class Lodgers(unittest.TestCase):
    def test_goes_on_with_what_was_left(self):
        guest = Lodger("remote", "hostb")
        one = context(left=guest)
        self.assertIs(one.lodger("remote", "hostb"), guest)
        self.assertEqual((one.guests, one.left, guest.destroyed), ([guest], None, False))

    def test_ends_what_it_cannot_use(self):
        for name, host in (("moving", None), ("remote", "hosta")):
            guest = Lodger("remote", "hostb")
            one = context(left=guest)
            self.assertIsNone(one.lodger(name, host))
            self.assertEqual((one.guests, one.left, guest.destroyed), ([], None, True))

    def test_leaves_to_who_wants_it_there(self):
        guest = Lodger("remote", "hostb")
        for wanted, leaves in (("remote", True), ("remote@hostb", True), ("remote@hosta", False), ("moving", False), ("", False)):
            one = context(wanted=wanted)
            self.assertEqual(one.leaves(guest), leaves)
            self.assertIs(one.left, guest if leaves else None)

    def test_every_scenario_loads(self):
        for name in ORDER:
            self.assertTrue(load(name).TITLE)
            self.assertTrue(callable(load(name).run))


if __name__ == "__main__":
    unittest.main()
