TITLE = "a guest with a plain phy disk and no metadata migrates there and back as it always did"

from ..guest import plain
from ..hosts import SHARED_DISKS
from ..report import expect
from ..watch import Watch


def run(context):
    a, b = context.hosts.both
    guest = context.guest("stock", plain("xvda", "/dev/vdb"))
    guest.start(a)
    guest.verified_again(1)
    with Watch(SHARED_DISKS["/dev/vdb"]) as watch:
        context.figures["migration_seconds"] = [guest.migrate(b), guest.migrate(a)]
    context.figures |= watch.figures()
    context.figures["fio_rounds"] = guest.finish()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
