TITLE = "a swap to a file system that is full: the guest notices nothing, the job says why it waits and goes on when there is room"

from .. import product, swapping
from ..report import expect

LODGER = swapping.NAME
MOUNT = "/run/lab-small"
SMALL = "256k"


def run(context):
    guest = swapping.begin(context)
    host = guest.host
    host.run(f"mkdir -p {MOUNT} && mount -t tmpfs -o size={SMALL} none {MOUNT}")
    try:
        source = f"file:{MOUNT}/new.raw"
        product.control(host, command="swap", domain=guest.name, target=swapping.TARGET, source=source, create=True,
                        destIsZero=True, pivot="manual")
        full = swapping.wait_job(guest, "paused")
        expect("space" in (full["reason"] or "").lower(), f"expected the job to say that there is no space, found {full}")
        guest.verified_again()
        host.run(f"mount -o remount,size=1g {MOUNT}")
        swapping.tell(guest, "resume")
        sync = swapping.wait_job(guest, "sync")
        guest.verified_again(1)
        swapping.tell(guest, "abort")
        swapping.wait_over(guest)
    finally:
        host.run(f"rm -f {MOUNT}/new.raw; umount {MOUNT}", check=False)
    guest.verified_again(1)
    context.figures |= {"full": full, "sync": sync, "summary": f"waited: {full['reason']}; then in sync, given up"}
    swapping.end(context, guest)
