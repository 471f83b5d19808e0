TITLE = "destination daemon down: virsh migrate is refused early and plainly, the guest goes on; later it migrates"

import time

from .. import product
from ..guest import inherit, netchannel
from ..report import expect


def run(context):
    a, b = context.hosts.both
    guest = context.guest("refuse", inherit("xvda", "/dev/vdb"), netchannel("xvdb", "/dev/vdc"))
    guest.start(a)
    guest.verified_again(1)
    product.stop(b)
    try:
        began = time.monotonic()
        done = guest.try_to_migrate(b)
        context.figures["refused_after_seconds"] = round(time.monotonic() - began, 1)
        context.figures["message"] = done.stderr.strip()
        expect(done.returncode != 0, "expected virsh migrate to be refused, it succeeded without a daemon at hostb")
        expect("netchanneld on hostb is not running" in done.stderr,
               f"expected virsh to say that netchanneld on hostb is not running, it says: {done.stderr.strip()}")
        # Early: a domain that was ever made at hostb, even for a moment, has a console log there.
        expect(not guest.console(b), "expected the refusal before the destination began to build the domain; its console "
                                     f"log at hostb says: {guest.console(b)[-200:]}")
        guest.verified_again()
        guest.expect_only_on(a)
    finally:
        product.start(b)
    product.restart_libvirtd(a)
    guest.verified_again(1)
    context.figures["migration_seconds"] = guest.migrate(b)
    guest.expect_backends()
    context.figures["fio_rounds"] = guest.finish()
    context.figures["summary"] = f"refused after {context.figures['refused_after_seconds']} s, then migrated"
