"""Watches, from outside, the blocks of a raw disk that a workload in the guest rewrites for ever.

Each of these blocks tells a version: for guest/hot.c the guest's time of the write, for guest/slots.c a counter. Seen from outside the version of a block only ever grows. One that goes back is an
old write that landed after a newer one: exactly what migrating with I/O in flight must not do, and what the guest
itself sees only if it happens to read just then.
"""

import mmap
import os
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .report import Failure

BLOCK = 4096
RECORD = struct.Struct("<8sQQ8x")  # a block is full of it: magic, which block, its version
MAGIC = b"nclabhot"  # guest/hot.c: a block is known by its offset, its version is a time in ns
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Layout:
    """Where on its disk a workload rewrites blocks, from the disk's beginning, and how to read a block's version."""

    blocks: int
    stride: int  # bytes from one block to the next
    version: Callable[[bytes, int], int | None]  # of a block that was read at this offset; None: not one of the workload's


def time_of_write(block: bytes, offset: int) -> int | None:
    """When guest/hot.c wrote the block, by the guest's clock, in ns."""
    magic, place, nanoseconds = RECORD.unpack_from(block)
    return nanoseconds if magic == MAGIC and place == offset else None


HOT = Layout(blocks=16, stride=BLOCK, version=time_of_write)  # as guest/init has it


class Watch:
    """A context: watches the file while the block runs. `steps_back` and `longest_gap_seconds` tell what was seen."""

    def __init__(self, path: Path, layout: Layout = HOT):
        self.path, self.layout = path, layout
        self.changed: Counter[int] = Counter()  # block -> times
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

    @property
    def changes(self) -> int:
        return self.changed.total()

    def figures(self) -> dict:
        return {"blocks_seen_changing": self.changes, "steps_back": len(self.steps_back),
                "longest_io_gap_seconds": round(self.longest_gap_seconds, 2)}

    def wait_all_change(self, seconds: float) -> None:
        """Until every block was seen to change once more than it has by now."""
        before = self.changed.copy()
        deadline = time.monotonic() + seconds
        while still := [block for block in range(self.layout.blocks) if self.changed[block] == before[block]]:
            if time.monotonic() > deadline:
                raise Failure(f"expected the guest to rewrite every block of {self.path.name} within {seconds:.0f} s; "
                              f"these did not change: {still}")
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        file = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, self.layout.stride * self.layout.blocks)  # page aligned, as O_DIRECT wants it
        newest: dict[int, int] = {}
        last_change = time.monotonic()
        try:
            while not self._stop.wait(POLL_SECONDS):
                os.preadv(file, [buffer], 0)
                now = time.monotonic()
                for block, version in self._versions(buffer):
                    before = newest.get(block)
                    if version == before:
                        continue
                    if before is not None:
                        self.changed[block] += 1
                        self.longest_gap_seconds = max(self.longest_gap_seconds, now - last_change)
                        if version < before:
                            self.steps_back.append(f"block {block}: {before} -> {version}")
                    last_change = now
                    newest[block] = version
        finally:
            os.close(file)

    def _versions(self, buffer) -> list[tuple[int, int]]:
        found = []
        for block in range(self.layout.blocks):
            offset = block * self.layout.stride
            version = self.layout.version(buffer[offset:offset + BLOCK], offset)
            if version is not None:
                found.append((block, version))
        return found
