TITLE = "a guest with a plain phy disk and no metadata migrates there and back as it always did"

import time

from ..guest import plain
from ..hosts import SHARED_DISKS
from ..report import expect
from ..watch import Watch


def run(context):
    guest = context.guest("stock", plain("xvda", "/dev/vdb"))
    a, b = context.hosts.both
    guest.start(a)
    guest.verified_again(1)
    with Watch(SHARED_DISKS["/dev/vdb"]) as watch:
        for number, to in enumerate((b, a), 1):
            began = time.monotonic()
            guest.migrate(to)
            context.figures[f"migration_{number}_seconds"] = round(time.monotonic() - began, 1)
            guest.verified_again()
    context.figures |= watch.figures()
    context.figures["fio_rounds"] = guest.finish()
    # On stock Xen a late write can step back; with our hooks it must not.
    expect(not watch.steps_back, f"late writes: {watch.steps_back[:3]}")
