TITLE = "there and back under fio at queue depth 32; pending requests handed over both ways, each exactly once"

from .. import product, trace_check
from ..guest import netchannel
from ..hosts import SHARED_DISKS
from ..report import expect
from ..round_trips import expect_handed_over, round_trips
from ..watch import Watch

DEVICE = "/dev/vdb"


def run(context):
    hosts, trips = context.hosts, 0
    guest = context.guest("migrate", netchannel("xvdb", DEVICE, context.options.disk_filter))
    guest.start(hosts.a)
    guest.verified_again(1)
    seconds = []
    # With the lab's usual weights a starved guest takes so long from frozen tasks to suspended that nothing is pending.
    with Watch(SHARED_DISKS[DEVICE]) as watch, hosts.fair_share():
        for _ in round_trips(hosts.both, guest, "xvdb", context.options.round_trips):
            seconds += [guest.migrate(hosts.b), guest.migrate(hosts.a)]
            trips += 1
    context.figures |= {"migration_seconds": seconds} | watch.figures()
    context.figures["fio_rounds"] = guest.finish()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")

    verdict = trace_check.check({host.name: product.trace(host, guest.name, "xvdb") for host in hosts.both})
    context.figures |= {"requests": verdict.requests, "migrations": verdict.migrations}
    expect(not verdict.problems, f"{len(verdict.problems)} requests not exactly once: {verdict.problems[:3]}")
    expect_handed_over(verdict.migrations, trips)
    context.figures["summary"] = (f"{2 * trips} migrations, {verdict.requests} requests each exactly once, handed over: "
                                  + ", ".join(str(m["pending"]) for m in verdict.migrations))
