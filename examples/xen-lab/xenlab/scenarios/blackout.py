TITLE = "the guest's longest I/O gap over a whole virsh migrate, beside stock's in the same run"

import statistics
import time

from .. import beat
from ..guest import netchannel, plain
from ..hosts import SHARED_DISKS
from ..report import expect, say
from ..watch import Watch

DEVICE = "/dev/vdb"
GOAL = 0.5


def run(context):
    with context.hosts.fair_share():
        gaps = {"stock": measure(context, plain("xvda", DEVICE)), "netchannel": measure(context, netchannel("xvdb", DEVICE))}
    medians = {kind: statistics.median(found) for kind, found in gaps.items()}
    ratio = round(medians["netchannel"] / medians["stock"], 2)
    context.figures |= {"gaps_seconds": gaps, "ratio": ratio}
    reached = "reached" if ratio <= GOAL else "missed"
    # Reported, not judged: a busy machine must not fail a scenario.
    context.figures["summary"] = (f"longest gap {medians['netchannel']:.2f} s, stock {medians['stock']:.2f} s, "
                                  f"ratio {ratio}: goal of {GOAL} {reached}")


def measure(context, disk):
    a, b = context.hosts.both
    guest = context.guest("blackout", disk, program=beat.program(disk.target))
    guest.start(a)
    gaps = []
    for to in ((b, a) * context.options.blackout_migrations)[:context.options.blackout_migrations]:
        with Watch(SHARED_DISKS[DEVICE], beat.LAYOUT) as watch:
            time.sleep(3)  # so that there is something before the migration to measure from
            done = guest.try_to_migrate(to)
            expect(done.returncode == 0, f"virsh migrate failed: {done.stderr.strip()}")
            guest.host = to
            time.sleep(3)
        expect(watch.changes, "expected the guest to write while it was watched, it did not")
        gaps.append(round(watch.longest_gap_seconds, 3))
        say(f"{disk.source or 'stock'}: longest gap {gaps[-1]} s")
    guest.destroy()
    context.guests.remove(guest)
    return gaps
