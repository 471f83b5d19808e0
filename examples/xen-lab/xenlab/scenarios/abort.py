TITLE = "the destination fails in `started` after the seal: the guest goes on at the source; later it migrates"

from .. import product
from ..guest import netchannel
from ..hosts import SHARED_DISKS
from ..report import expect
from ..watch import Watch

DEVICE = "/dev/vdb"


def run(context):
    a, b = context.hosts.both
    product.set_faults(b, {context.options.abort_point: "fail"})
    try:
        guest = context.guest("abort", netchannel("xvdb", DEVICE, context.options.disk_filter))
        guest.start(a)
        guest.verified_again(1)
        with Watch(SHARED_DISKS[DEVICE]) as watch:
            done = guest.try_to_migrate(b)
            context.figures["message"] = done.stderr.strip()
            expect(done.returncode != 0, f"expected virsh migrate to fail at {context.options.abort_point}, it succeeded")
            guest.expect_only_on(a)
            guest.verified_again()
    finally:
        product.set_faults(b, {})
    context.figures |= watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures["migration_seconds"] = guest.migrate(b)
    context.figures["fio_rounds"] = guest.finish()
