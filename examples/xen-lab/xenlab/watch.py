"""Watches, from outside, the blocks of a raw disk that guest/hot.fio rewrites for ever.

fio puts a header into every block it writes; it carries the guest's time of the write. Seen from outside the time of
a block only ever grows. One that goes back is an old write that landed after a newer one: exactly what migrating
with I/O in flight must not do, and what fio inside the guest sees only if it happens to read just then.
"""

import mmap
import os
import struct
import threading
import time
from pathlib import Path

BLOCK = 4096
BLOCKS = 8  # as in guest/hot.fio
# fio's struct verify_header (verify.h): magic, type, length, seed, offset, seconds, nanoseconds, ...
HEADER = struct.Struct("<HHIQQII")
MAGIC = 0xACCA
POLL_SECONDS = 0.02


class Watch:
    """A context: watches the file while the block runs. `steps_back` and `longest_gap_seconds` tell what was seen."""

    def __init__(self, path: Path):
        self.path = path
        self.changes = 0
        self.steps_back: list[str] = []
        self.longest_gap_seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch {path.name}", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def figures(self) -> dict:
        return {"blocks_seen_changing": self.changes, "steps_back": len(self.steps_back),
                "longest_io_gap_seconds": round(self.longest_gap_seconds, 2)}

    def _watch(self) -> None:
        file = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, BLOCK * BLOCKS)  # page aligned, as O_DIRECT wants it
        newest: dict[int, int] = {}
        last_change = time.monotonic()
        try:
            while not self._stop.wait(POLL_SECONDS):
                os.preadv(file, [buffer], 0)
                now = time.monotonic()
                for block, written in self._times(buffer):
                    before = newest.get(block)
                    if written == before:
                        continue
                    if before is not None:
                        self.changes += 1
                        self.longest_gap_seconds = max(self.longest_gap_seconds, now - last_change)
                        if written < before:
                            self.steps_back.append(f"block {block}: {before} ns -> {written} ns")
                    last_change = now
                    newest[block] = written
        finally:
            os.close(file)

    @staticmethod
    def _times(buffer) -> list[tuple[int, int]]:
        found = []
        for block in range(BLOCKS):
            magic, _, _, _, offset, seconds, nanoseconds = HEADER.unpack_from(buffer, block * BLOCK)
            if magic == MAGIC and offset == block * BLOCK:
                found.append((block, seconds * 1_000_000_000 + nanoseconds))
        return found
