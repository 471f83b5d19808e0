TITLE = "destination daemon killed between seal and take-over, source daemon killed during pre-copy: one owner"

import time

from .. import product
from ..guest import netchannel
from ..hosts import SHARED_DISKS
from ..report import expect
from ..settings import COMMAND_SECONDS, MIGRATION_SECONDS
from ..watch import Watch

DEVICE = "/dev/vdb"


def run(context):
    a, b = context.hosts.both
    product.set_faults(b, {context.options.kill_point: "kill"})
    guest = context.guest("kill", netchannel("xvdb", DEVICE, context.options.disk_filter))
    try:
        guest.start(a)
        guest.verified_again(1)
        with Watch(SHARED_DISKS[DEVICE]) as watch:
            destination_dies(context, guest)
            product.set_faults(b, {})
            source_dies(context, guest)
    finally:
        product.set_faults(b, {})
    context.figures |= watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures["fio_rounds"] = guest.finish()


def destination_dies(context, guest):
    a, b = context.hosts.both
    started = daemon_starts(b)
    done = guest.try_to_migrate(b)
    expect(daemon_starts(b) > started, f"expected netchanneld on hostb to die at {context.options.kill_point}, "
                                       "systemd saw no end of it")
    owner = b if done.returncode == 0 else a
    context.figures["destination_killed"] = f"guest goes on at {owner}: " + (done.stderr.strip() or "migrated")
    product.wait_ready(b)
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
    product.kill(source)
    said, _ = migration.communicate(timeout=MIGRATION_SECONDS)
    owner = destination if migration.returncode == 0 else source
    context.figures["source_killed"] = f"guest goes on at {owner}: " + said.strip()
    product.wait_ready(source)
    guest.expect_only_on(owner)
    guest.verified_again()


def daemon_starts(host) -> int:
    return int(host.output("systemctl show -P NRestarts netchanneld").strip())
