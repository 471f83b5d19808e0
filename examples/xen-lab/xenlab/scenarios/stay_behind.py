TITLE = "the disk stays on hosta: a guest there goes to hostb and comes back, every request exactly once"

from .. import remote
from ..product import SERVER_PORT
from ..report import expect
from ..watch import Watch

LODGER = "remote@hosta"


def run(context):
    a, b = context.hosts.both
    guest = remote.begin(context, a)
    generations, seconds, at_home = [], [], []
    # With the lab's usual weights a starved guest takes so long from frozen tasks to suspended that nothing is pending.
    with Watch(remote.RAW) as watch, context.hosts.fair_share():
        for to in (None, b, a):
            if to:
                seconds.append(guest.migrate(to))
            client = remote.client(a, guest)
            generations.append(client["generation"])
            wires = connections(a)
            if guest.host is a:
                at_home += wires
            else:
                expect("/10.77.0.2:" in (client["address"] or "") and wires, f"expected hostb at the device server, found {client}")
    context.figures |= {"migration_seconds": seconds, "generations": generations} | watch.figures()
    expect(generations == sorted(set(generations)), f"expected a newer generation after each migration, found {generations}")
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    verdict = remote.end(context, guest)
    expect(not at_home, f"expected hosta to use its own disk without a network, found {at_home}")
    if verdict:
        expect(len(verdict.migrations) == 2, f"expected 2 migrations in the traces, found {len(verdict.migrations)}")
        expect(all(m["pending"] > 0 for m in verdict.migrations),
               f"expected pending requests handed over each time, found {[m['pending'] for m in verdict.migrations]}")
        context.figures["summary"] = (f"{verdict.requests} requests each exactly once, handed over: "
                                      + ", ".join(str(m["pending"]) for m in verdict.migrations))


def connections(host) -> list[str]:
    """Of the device server's port."""
    return host.output(f"ss -Htn state established '( sport = :{SERVER_PORT} or dport = :{SERVER_PORT} )'").splitlines()
