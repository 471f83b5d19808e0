TITLE = "a swap whose daemon is killed while it copies, in sync, and after the switch: no request is lost, one disk in the end"

from .. import swapping
from ..report import expect

LODGER = swapping.NAME
SLOW = 2 << 20  # bytes each second


def run(context):
    guest = swapping.begin(context)
    device = swapping.other(guest)
    swapping.begin_swap(guest, device, pivot="manual", bandwidth=SLOW)
    before = swapping.wait_copied(guest)["leftBytes"]
    swapping.kill_and_wait(guest.host)
    swapping.wait_job(guest, "copying", "paused", "sync")
    swapping.tell(guest, "bandwidth", bandwidth=0)
    swapping.wait_job(guest, "sync")
    guest.verified_again(1)
    swapping.kill_and_wait(guest.host)
    swapping.wait_job(guest, "sync")
    swapping.tell(guest, "pivot")
    swapping.wait_job(guest, "switched", "done")
    swapping.kill_and_wait(guest.host)
    swapping.expect_switched(guest, device)
    context.figures["summary"] = f"killed with {before} bytes left, in sync, and after the switch"
    swapping.end(context, guest)
