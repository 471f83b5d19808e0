TITLE = "destination daemon killed between seal and take-over, source daemon killed during pre-copy: one owner"

import time

from .. import moving, product, serves_again
from ..report import expect
from ..settings import COMMAND_SECONDS, MIGRATION_SECONDS
from ..watch import Watch

LODGER = moving.NAME


def run(context):
    guest = moving.begin(context)
    with Watch(moving.RAW) as watch:
        destination_dies(context, guest)
        source_dies(context, guest)
    context.figures |= watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    if context.options.kills:
        context.wanted = ""  # what follows is measured on hosts with nothing else to do
    moving.end(context, guest)
    if context.options.kills:
        found = context.figures["first_answer"] = serves_again.measure(context)
        context.figures["summary"] = serves_again.expect_measured(found)


def destination_dies(context, guest):
    source, destination = guest.host, context.hosts.other(guest.host)
    product.set_faults(destination, {context.options.kill_point: "kill"})
    try:
        started = product.starts(destination)
        done = guest.try_to_migrate(destination)
        expect(product.starts(destination) > started, f"expected netchanneld on {destination} to die at "
                                                      f"{context.options.kill_point}, systemd saw no end of it")
    finally:
        product.set_faults(destination, {})
    owner = destination if done.returncode == 0 else source
    context.figures["destination_killed"] = f"guest goes on at {owner}: " + (done.stderr.strip() or "migrated")
    product.wait_ready(destination)
    guest.expect_only_on(owner)
    guest.verified_again()


def source_dies(context, guest):
    source = guest.host
    destination = context.hosts.other(source)
    migration = source.spawn(guest.migrate_command(destination))
    # The domain appears at the destination when pre-copy begins.
    deadline = time.monotonic() + COMMAND_SECONDS
    while not destination.output("xl list | tail -n +3").strip():
        expect(migration.poll() is None and time.monotonic() < deadline,
               "expected the domain to appear at the destination while virsh migrates")
        time.sleep(0.5)
    time.sleep(context.options.kill_after_seconds)  # a parameter of the scenario, not a wait for something
    expect(migration.poll() is None, "virsh migrate had ended before the source's daemon was to be killed; "
                                     "choose a smaller --kill-after")
    # Includes what --disk-filter does to its writes.
    context.figures["first_answer_in_precopy_seconds"] = serves_again.kill(source, guest.name, guest.disks[0].target)
    said, _ = migration.communicate(timeout=MIGRATION_SECONDS)
    owner = destination if migration.returncode == 0 else source
    context.figures["source_killed"] = f"guest goes on at {owner}: " + said.strip()
    product.wait_ready(source)
    guest.expect_only_on(owner)
    guest.verified_again()
