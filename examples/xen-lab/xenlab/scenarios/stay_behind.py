TITLE = "the disk stays on hosta: a guest there goes to hostb and comes back, every request exactly once"

from .. import remote
from ..product import SERVER_PORT
from ..report import expect
from ..round_trips import expect_handed_over, round_trips
from ..watch import Watch

LODGER = "remote@hosta"


def run(context):
    a, b = context.hosts.both
    guest = remote.begin(context, a)
    generations, seconds, at_home = [], [], []

    def look():
        client = remote.client(a, guest)
        generations.append(client["generation"])
        wires = connections(a)
        if guest.host is a:
            at_home.extend(wires)
        else:
            expect("/10.77.0.2:" in (client["address"] or "") and wires, f"expected hostb at the device server, found {client}")

    trips = 0
    # With the lab's usual weights a starved guest takes so long from frozen tasks to suspended that nothing is pending.
    with Watch(remote.RAW) as watch, context.hosts.fair_share():
        look()
        for _ in round_trips(context.hosts.both, guest, remote.TARGET, 1):
            for host in (b, a):
                seconds.append(guest.migrate(host))
                look()
            trips += 1
    context.figures |= {"migration_seconds": seconds, "generations": generations} | watch.figures()
    expect(generations == sorted(set(generations)), f"expected a newer generation after each migration, found {generations}")
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    verdict = remote.end(context, guest)
    expect(not at_home, f"expected hosta to use its own disk without a network, found {at_home}")
    if verdict:
        expect_handed_over(verdict.migrations, trips)
        context.figures["summary"] = (f"{verdict.requests} requests each exactly once, handed over: "
                                      + ", ".join(str(m["pending"]) for m in verdict.migrations))


def connections(host) -> list[str]:
    """Of the device server's port."""
    return host.output(f"ss -Htn state established '( sport = :{SERVER_PORT} or dport = :{SERVER_PORT} )'").splitlines()
