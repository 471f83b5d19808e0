TITLE = "the source's daemon stands still (SIGSTOP) for 20 s at the seal: one owner, the guest goes on"

import time

from .. import moving, product
from ..interruption import Interruption
from ..report import expect
from ..watch import Watch

LODGER = moving.NAME
POINT = "source.sealed"  # its disks are sealed, nobody was told
STOPPED_SECONDS = 20
STOP_AND_GO = (f"daemon=$(systemctl show -P MainPID netchanneld) && kill -STOP $daemon && sleep {STOPPED_SECONDS}; "
               "kill -CONT $daemon")


def run(context):
    guest = moving.begin(context)
    source, destination = guest.host, context.hosts.other(guest.host)
    starts = product.starts(source)
    with Watch(moving.RAW) as watch:
        with Interruption(source, POINT, STOP_AND_GO):
            began = time.monotonic()
            done = guest.try_to_migrate(destination)
            seconds = round(time.monotonic() - began, 1)
        owner = source if done.returncode else destination
        guest.host = owner
        guest.verified_again()
    context.figures |= watch.figures() | {"virsh_seconds": seconds, "message": done.stderr.strip()}
    guest.expect_only_on(owner)
    expect(seconds > STOPPED_SECONDS, f"expected virsh migrate to have waited for the daemon, it took {seconds} s")
    expect(product.starts(source) == starts, "expected the daemon that stood still to go on, systemd has started another")
    ends = {host.name: product.wait_over(host, guest.name) for host in context.hosts.both}
    expect(set(ends.values()) == {"abort" if done.returncode else "commit"},
           f"expected both hosts to agree that the guest is on {owner}, found {ends}")
    expect(not done.returncode or done.stderr.strip(), "expected virsh to say why, it says nothing")
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures["summary"] = f"guest goes on at {owner} after {seconds:.0f} s: " + (done.stderr.strip() or "migrated")
    moving.end(context, guest)
