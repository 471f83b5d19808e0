"""The guest that the scenarios about failed migrations share."""

from .guest import Guest, netchannel
from .hosts import SHARED_DISKS

NAME = "moving"
DEVICE = "/dev/vdb"
RAW = SHARED_DISKS[DEVICE]


def begin(context) -> Guest:
    """It runs and has verified a round."""
    left = context.lodger(NAME)
    if left:
        return left
    guest = context.guest(NAME, netchannel("xvdb", DEVICE, context.options.disk_filter))
    guest.start(context.hosts.a)
    guest.verified_again(1)
    return guest


def end(context, guest: Guest) -> None:
    if not context.leaves(guest):
        context.figures["fio_rounds"] = guest.finish()
