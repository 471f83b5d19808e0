TITLE = "a disk from metadata and an inherited one; virsh save and restore under load, migration; nothing left at the end"

import time

from ..guest import inherit, netchannel
from ..report import expect, say

SAVED = "/var/tmp/lab.save"


def run(context):
    a, b = context.hosts.both
    guest = context.guest("attach", inherit("xvda", "/dev/vdb"), netchannel("xvdb", "/dev/vdc"))
    guest.start(a)
    guest.verified_again(1)
    for action, command in (("save", f"virsh -c xen:///system save attach {SAVED}"),
                            ("restore", f"virsh -c xen:///system restore {SAVED}")):
        say(f"virsh {action}")
        began = time.monotonic()
        done = a.run(command, check=False)
        context.figures[f"{action}_seconds"] = round(time.monotonic() - began, 1)
        expect(done.returncode == 0, f"virsh {action} failed: {done.stderr.strip()}")
    guest.expect_backends()
    a.run(f"rm -f {SAVED}")
    context.figures["migration_seconds"] = guest.migrate(b)
    guest.expect_backends()
    context.figures["fio_rounds"] = guest.finish()
