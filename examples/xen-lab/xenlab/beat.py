"""One small write after the other, as an idle guest's log, in place of fio. There is always one to be answered, and it is quick."""

from .watch import BLOCK, Layout, time_of_write

BLOCKS, EACH_SECOND = 8, 20
LAYOUT = Layout(blocks=BLOCKS, stride=BLOCK, version=time_of_write)


def program(target: str) -> str:
    """What the guest runs."""
    return f"hot /dev/{target} {BLOCKS} 1 {EACH_SECOND}"
