"""guest/beat.fio: one small write after the other, as an idle guest's log. There is always one to be answered, and it is quick."""

from .watch import BLOCK, Layout, fio_time

LAYOUT = Layout(blocks=8, stride=BLOCK, version=fio_time)


def program(target: str) -> str:
    """What the guest runs."""
    return f"env DISK=/dev/{target} fio --eta=never /beat.fio"
