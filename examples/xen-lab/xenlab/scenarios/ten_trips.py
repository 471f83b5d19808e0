TITLE = "ten migrations in a row: threads, descriptors, grants, event ports, store, journal and memory of the hosts do not grow"

from .. import moving
from ..holdings import Holdings, grown, holdings
from ..report import expect, say
from ..watch import Watch

LODGER = moving.NAME
WARM = 2  # trips after which everything that is made once is there


def run(context):
    guest = moving.begin(context)
    trips = context.options.trips
    expect(trips > WARM and trips % 2 == 0, f"expected an even number of trips above {WARM}, found {trips}")
    seconds, before = [], {}
    with Watch(moving.RAW) as watch:
        for trip in range(1, trips + 1):
            # Verified once, in the end: what a trip left behind is the question here.
            seconds.append(guest.migrate(context.hosts.other(guest.host), rounds=1))
            if trip == WARM:
                before = look(context, guest)
    after = look(context, guest)
    guest.verified_again()
    context.figures |= watch.figures() | {"migration_seconds": seconds, f"after_trip_{WARM}": shown(before), f"after_trip_{trips}": shown(after)}
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    problems = [problem for host in before for problem in grown(host, before[host], after[host], trips - WARM)]
    expect(not problems, f"{trips - WARM} trips more, and: " + "; ".join(problems))
    context.figures["summary"] = f"{trips} trips; grown since trip {WARM}: " + "; ".join(f"{host} {after[host].since(before[host])}" for host in after)
    moving.end(context, guest)


def look(context, guest) -> dict[str, Holdings]:
    """The guest is where it began, so both looks are at the same state."""
    guest.expect_only_on(guest.host)
    found = {host.name: holdings(host) for host in context.hosts.both}
    for host, one in found.items():
        say(f"{host}: {one}")
    return found


def shown(found: dict[str, Holdings]) -> dict:
    return {host: vars(one) for host, one in found.items()}
