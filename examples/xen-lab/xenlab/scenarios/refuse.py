TITLE = "destination daemon down: virsh migrate is refused early and plainly, the guest goes on; later it migrates"

from .. import moving, product

LODGER = moving.NAME


def run(context):
    guest = moving.begin(context)
    source, destination = guest.host, context.hosts.other(guest.host)
    product.stop(destination)
    try:
        context.figures |= guest.expect_refused(destination, f"netchanneld on {destination} is not running")
    finally:
        product.start(destination)  # it takes as long as two rounds of the guest
    guest.verified_again()
    product.restart_libvirtd(source)
    context.figures["migration_seconds"] = guest.migrate(destination)
    guest.expect_backends()
    context.figures["summary"] = f"refused after {context.figures['refused_after_seconds']} s, then migrated"
    moving.end(context, guest)
