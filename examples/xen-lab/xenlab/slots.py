"""The lab's side of guest/slots.c: where its blocks are, what they hold, what they hold at the end."""

from collections import Counter
from pathlib import Path

from .report import expect
from .watch import BLOCK, RECORD, Layout

SLOTS = 16  # these three as in guest/slots.c
STRIDE = 2 * BLOCK
MAGIC = b"ncslots1"
SECTOR = 512


def counter(block: bytes, offset: int) -> int | None:
    magic, slot, found = RECORD.unpack_from(block)
    return found if magic == MAGIC and slot == offset // STRIDE else None


LAYOUT = Layout(SLOTS, STRIDE, counter)


def writes(counters: list[int]) -> Counter[tuple[int, int]]:
    """How often a disk was told to write what, as (sector, sectors): a counter counts the writes of its block."""
    return Counter({(slot * STRIDE // SECTOR, BLOCK // SECTOR): counter for slot, counter in enumerate(counters)})


def verify_from_outside(raw: Path, counters: list[int]) -> None:
    """The raw disk holds, whole, the newest block of each slot as the guest named them at its end."""
    with open(raw, "rb") as disk:
        for slot, wanted in enumerate(counters):
            disk.seek(slot * STRIDE)
            expect(disk.read(BLOCK) == RECORD.pack(MAGIC, slot, wanted) * (BLOCK // RECORD.size),
                   f"{raw.name} from outside: slot {slot} does not hold what the guest wrote last, counter {wanted}")
