TITLE = "the destination fails in `started` after the seal: the guest goes on at the source; later it migrates"

from .. import moving, product
from ..report import expect
from ..watch import Watch

LODGER = moving.NAME


def run(context):
    guest = moving.begin(context)
    source, destination = guest.host, context.hosts.other(guest.host)
    product.set_faults(destination, {context.options.abort_point: "fail"})
    try:
        with Watch(moving.RAW) as watch:
            done = guest.try_to_migrate(destination)
            context.figures["message"] = done.stderr.strip()
            expect(done.returncode != 0, f"expected virsh migrate to fail at {context.options.abort_point}, it succeeded")
            guest.expect_only_on(source)
            guest.verified_again()
    finally:
        product.set_faults(destination, {})
    context.figures |= watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures["migration_seconds"] = guest.migrate(destination)
    moving.end(context, guest)
