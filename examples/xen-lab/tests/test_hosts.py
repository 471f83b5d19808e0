"""A file in dom0 that is followed, and blocks that are watched, without hosts."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.guest_image import compile_programs  # noqa: E402 - the path above
from xenlab.hosts import Followed  # noqa: E402
from xenlab.settings import LAB, TARGET  # noqa: E402
from xenlab.watch import BLOCK, HOT, Watch  # noqa: E402

BOUND_SECONDS = 30


def until(what) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not what():
        assert time.monotonic() < deadline, "expected it within the bound"
        time.sleep(0.01)


def spawn(script: str) -> subprocess.Popen:
    return subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, errors="replace")


class FollowedFile(unittest.TestCase):
    def test_it_grows(self):
        with tempfile.NamedTemporaryFile("w") as file:
            followed = Followed(spawn(f"exec tail -c +1 -F {file.name}"))
            for number in range(3):
                file.write(f"round {number}\n")
                file.flush()
                until(lambda: followed.text.endswith(f"round {number}\n"))
            self.assertEqual(followed.text, "round 0\nround 1\nround 2\n")
            self.assertTrue(followed.is_live)
            followed.close()
            self.assertFalse(followed.is_live)

    def test_one_whose_connection_has_ended_is_not_live(self):
        followed = Followed(spawn("echo last words"))
        until(lambda: not followed.is_live)
        self.assertEqual(followed.text, "last words\n")
        followed.close()


class HotBlocks(unittest.TestCase):
    @contextmanager
    def hot(self, depth: int):
        """The blocks of a file, rewritten until `end` is called."""
        TARGET.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TARGET) as directory:  # on a disk, for O_DIRECT
            compile_programs(LAB / "guest", Path(directory))
            disk = Path(directory) / "disk"
            disk.write_bytes(bytes(HOT.blocks * BLOCK))
            process = subprocess.Popen([f"{directory}/hot", disk, str(HOT.blocks), str(depth), "200"])

            def end():
                process.kill()
                process.wait()  # and with it what it has in flight

            try:
                with Watch(disk) as watch:
                    watch.wait_all_change(BOUND_SECONDS)
                    yield disk, watch, end
            finally:
                end()

    def test_each_changes_and_none_steps_back(self):
        with self.hot(depth=8) as (_, watch, _):
            watch.wait_all_change(BOUND_SECONDS)
        self.assertEqual(watch.steps_back, [])
        self.assertGreaterEqual(watch.changes, 2 * HOT.blocks)

    def test_an_older_block_is_a_step_back(self):
        with self.hot(depth=1) as (disk, watch, end):
            old = disk.read_bytes()[:BLOCK]
            for _ in range(2):  # the first change that is seen may be the one to this block
                watch.wait_all_change(BOUND_SECONDS)
            end()
            with open(disk, "r+b") as file:
                file.write(old)
                file.flush()
                os.fsync(file.fileno())
            until(lambda: watch.steps_back)
        self.assertEqual(len(watch.steps_back), 1)


if __name__ == "__main__":
    unittest.main()
