TITLE = "the destination's clock jumps 300 s forward, then back, in the middle of migrations: both succeed, as if nothing was"

from .. import moving, product
from ..interruption import Interruption
from ..report import Failure, expect, say
from ..watch import Watch

LODGER = moving.NAME
JUMP_SECONDS = 300  # beyond every bound of a migration in the lab's configuration
POINT = "destination.sealed"  # inside hook `started`, whose bounds run
# Each end tells or asks the other again within half a minute when something was lost.
OVER_SECONDS = 60


def run(context):
    guest = moving.begin(context)
    home, away = guest.host, context.hosts.other(guest.host)
    with Watch(moving.RAW) as watch:
        try:
            # The other jump forward is at nobody's migration: the host that serves the guest.
            home.run(jump(JUMP_SECONDS))
            context.figures["forward"] = migrate(guest, away, JUMP_SECONDS)
            context.figures["back"] = migrate(guest, home, -JUMP_SECONDS)
        finally:
            say("clocks are right again")
            for host in context.hosts.both:
                host.set_clock()
        guest.verified_again()
    context.figures |= watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures["summary"] = "; ".join(
        f"{-JUMP_SECONDS if way == 'back' else JUMP_SECONDS:+d} s: migrated in {context.figures[way]['migration_seconds']:.0f} s" for way in ("forward", "back"))
    moving.end(context, guest)


def migrate(guest, to, seconds: int) -> dict:
    source = guest.host
    with Interruption(to, POINT, jump(seconds)):
        try:
            took = guest.migrate(to)
        except Failure as failure:
            raise Failure(f"{seconds:+d} s: {failure}; {to} says: {product.outcome(to, guest.name)}") from failure
    guest.expect_only_on(to)
    ends = {host.name: product.wait_over(host, guest.name, OVER_SECONDS) for host in (source, to)}
    expect(set(ends.values()) == {"commit"}, f"expected both hosts to have committed the migration, found {ends}")
    return {"migration_seconds": took}


def jump(seconds: int) -> str:
    return f"date -s @$(($(date +%s) + {seconds}))"
