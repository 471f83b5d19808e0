TITLE = "the daemons' ports are dropped without a reset during the hand-over, for 30 s and for good: no frozen disk, one owner"

import time

from .. import beat, black_hole, moving, product
from ..guest import netchannel
from ..hosts import SHARED_DISKS
from ..interruption import Interruption
from ..report import expect
from ..settings import PATIENCE
from ..watch import Watch

LODGER = moving.NAME
POINT = "source.sealed"  # the manifests are about to leave
HOLE_SECONDS = 30
# The hook gives up within 85 s, the lab's [timeouts] hook; the rest is libvirt's, before and after.
FAILS_WITHIN_SECONDS = 85 + 90 * PATIENCE

NEIGHBOUR, DEVICE = "neighbour", "/dev/vdc"
# It shares the source's daemon, and its processor with a migration: less than this, or it stood still with the other.
NEIGHBOUR_GAP_SECONDS = HOLE_SECONDS * PATIENCE


def run(context):
    guest = moving.begin(context)
    neighbour = context.guest(NEIGHBOUR, netchannel("xvda", DEVICE), program=beat.program("xvda"))
    guest.beside.add(NEIGHBOUR)
    neighbour.start(guest.host)
    with Watch(moving.RAW) as watch, Watch(SHARED_DISKS[DEVICE], beat.LAYOUT) as beside:
        beside.wait_all_change(60 * PATIENCE)
        for_a_while(context, guest)
        for_good(context, guest)
    context.figures |= watch.figures() | {"neighbour_longest_gap_seconds": round(beside.longest_gap_seconds, 2)}
    neighbour.destroy()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    expect(beside.longest_gap_seconds < NEIGHBOUR_GAP_SECONDS,
           f"expected the other guest of the host to write on, its longest gap is {beside.longest_gap_seconds:.1f} s")
    context.figures["migration_seconds"] = guest.migrate(context.hosts.other(guest.host))
    context.figures["summary"] = (f"{HOLE_SECONDS} s: {context.figures['for_a_while']['outcome']}; for good: virsh failed after "
                                  f"{context.figures['for_good']['virsh_seconds']:.0f} s; the other guest's longest gap "
                                  f"{beside.longest_gap_seconds:.1f} s; then migrated")
    moving.end(context, guest)


def for_a_while(context, guest) -> None:
    """It succeeds, or fails in words. Either way both hosts come to agree on the one owner."""
    source, destination = guest.host, context.hosts.other(guest.host)
    with black_hole.ready(source):
        done, seconds = migrate(guest, source, destination, black_hole.shut_for(HOLE_SECONDS))
        owner = source if done.returncode else destination
        guest.host = owner
        guest.verified_again()
    guest.expect_only_on(owner)
    ends = {host.name: product.wait_over(host, guest.name) for host in context.hosts.both}
    expect(set(ends.values()) == {"abort" if done.returncode else "commit"},
           f"expected both hosts to agree that the guest is on {owner}, found {ends}")
    context.figures["for_a_while"] = {"virsh_seconds": seconds, "message": done.stderr.strip(),
                                      "outcome": f"virsh failed after {seconds:.0f} s" if done.returncode else "migrated"}
    expect(not done.returncode or done.stderr.strip(), "expected virsh to say why, it says nothing")


def for_good(context, guest) -> None:
    source, destination = guest.host, context.hosts.other(guest.host)
    with black_hole.ready(source):
        done, seconds = migrate(guest, source, destination, black_hole.SHUT)
        context.figures["for_good"] = {"virsh_seconds": seconds, "message": done.stderr.strip()}
        expect(done.returncode != 0, "expected virsh migrate to fail without a way between the daemons, it succeeded")
        expect(seconds < FAILS_WITHIN_SECONDS, f"expected virsh to fail within {FAILS_WITHIN_SECONDS:.0f} s, it took {seconds} s")
        guest.verified_again()  # while nothing passes: the source goes on by itself
        guest.expect_only_on(source)
    ends = {host.name: product.wait_over(host, guest.name) for host in context.hosts.both}
    expect(set(ends.values()) == {"abort"}, f"expected both hosts to have given the migration up, found {ends}")


def migrate(guest, source, destination, shut: str):
    with Interruption(source, POINT, shut):
        began = time.monotonic()
        done = guest.try_to_migrate(destination)
        return done, round(time.monotonic() - began, 1)
