TITLE = "destination daemon down: virsh migrate is refused early and plainly, the guest goes on; later it migrates"

import time

from .. import moving, product
from ..report import expect

LODGER = moving.NAME


def run(context):
    guest = moving.begin(context)
    source, destination = guest.host, context.hosts.other(guest.host)
    console = guest.console(destination)
    product.stop(destination)
    try:
        began = time.monotonic()
        done = guest.try_to_migrate(destination)
        context.figures["refused_after_seconds"] = round(time.monotonic() - began, 1)
        context.figures["message"] = done.stderr.strip()
        expect(done.returncode != 0, f"expected virsh migrate to be refused, it succeeded without a daemon at {destination}")
        expect(f"netchanneld on {destination} is not running" in done.stderr,
               f"expected virsh to say that netchanneld on {destination} is not running, it says: {done.stderr.strip()}")
        # Early: a domain that was ever made there, even for a moment, has said something on its console.
        expect(guest.console(destination) == console, "expected the refusal before the destination began to build the domain; "
                                                      f"its console there says: {guest.console(destination)[-200:]}")
        guest.expect_only_on(source)
    finally:
        product.start(destination)  # it takes as long as two rounds of the guest
    guest.verified_again()
    product.restart_libvirtd(source)
    context.figures["migration_seconds"] = guest.migrate(destination)
    guest.expect_backends()
    context.figures["summary"] = f"refused after {context.figures['refused_after_seconds']} s, then migrated"
    moving.end(context, guest)
