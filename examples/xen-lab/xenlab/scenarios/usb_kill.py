TITLE = "USB devices at work while daemons and the link between them end at every point of a migration: one owner, all goes on"

from .. import black_hole, product, usb
from ..guest import netchannel
from ..hosts import Host
from ..interruption import Interruption
from ..report import expect
from ..usb_desk import DISK, NAME, Desk
from ..usb_devices import KEYBOARD, STICK

USB = True
DEVICES = (KEYBOARD, STICK)  # what others have on its way when their server ends is lost: their class has no way to ask
DEVICE = "/dev/vdb"
LINK_POINTS = ("source.prepared", "source.suspended", "source.sealed", "destination.sealed")
HOLE_SECONDS = 10


def run(context):
    a, b = context.hosts.both
    for device in DEVICES:
        usb.plug(a, device)
    with Desk(context, a, "fixed", DEVICES, {device: f"usb:port={device.path}" for device in DEVICES}, netchannel(DISK, DEVICE)) as desk:
        desk.start(a)
        desk.wait_at_work()
        with desk.watching():
            # The devices are at hosta: its daemon is their server also when the guest is not there.
            for point in product.FAULT_POINTS:
                killed(context, desk, point)
            for point in LINK_POINTS:
                link_lost(context, desk, point)
        desk.stop()
        desk.end()
    found = context.figures["killed"] | context.figures["link_lost"]
    context.figures["summary"] = (f"{sum(each['migrated'] for each in found.values())} of {len(found)} migrated, the others went on where they were; "
                                  f"{context.figures['keys']} keys each once, {context.figures['stick_writes']} writes to the stick")


def killed(context, desk: Desk, point: str) -> None:
    """The daemon of the side that the point is named after."""
    source, destination = desk.guest.host, context.hosts.other(desk.guest.host)
    host = source if point.startswith("source") else destination
    product.set_faults(host, {point: "kill"})
    try:
        started = product.starts(host)
        done = desk.guest.try_to_migrate(destination)
        expect(product.starts(host) > started, f"expected netchanneld on {host} to die at {point}, systemd saw no end of it")
    finally:
        product.set_faults(host, {})
    product.wait_ready(host)
    one_owner(context, desk, done, "killed", point, host)


def link_lost(context, desk: Desk, point: str) -> None:
    source, destination = desk.guest.host, context.hosts.other(desk.guest.host)
    host = source if point.startswith("source") else destination
    with black_hole.ready(host), Interruption(host, point, black_hole.shut_for(HOLE_SECONDS)):
        done = desk.guest.try_to_migrate(destination)
    one_owner(context, desk, done, "link_lost", point, host)


def one_owner(context, desk: Desk, done, what: str, point: str, host: Host) -> None:
    source = desk.guest.host
    owner = source if done.returncode else context.hosts.other(source)
    context.figures.setdefault(what, {})[point] = {"host": host.name, "from": source.name, "migrated": not done.returncode,
                                                   "message": done.stderr.strip()}
    desk.guest.expect_only_on(owner)
    if done.returncode:
        product.restart_libvirtd(source)  # it may have been the destination's hook that refused
    desk.goes_on()
