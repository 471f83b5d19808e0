TITLE = "USB devices of hosta in a guest on hostb: the wire is cut, they are unplugged and plugged in again, their server is killed"

import time

from .. import product, slots, usb
from ..hosts import Host
from ..report import expect
from ..usb_desk import Desk
from ..usb_devices import DEVICES, KEYBOARD, SERIAL, STICK, STICK_RAW, Device
from ..usb_ends import KEYS_KEPT
from ..watch import Watch

USB = True
CUT_SECONDS = 10
KEYS = 20
WRITES_SECONDS = 120


def run(context):
    a, b = context.hosts.both
    for device in DEVICES:
        usb.plug(a, device)
        a.run(f"netchannel export --usb {device.name} {device.path} --allow hosta,hostb")
    try:
        with desk_of(context, a, DEVICES) as desk:
            desk.start(b)
            desk.wait_at_work()
            type_some(desk)
            pause = cut(context, desk)
            replug(desk)
            desk.stop()
            replug_stick(desk)
            desk.end()
        # What a serial line or a loudspeaker has on its way when its server is killed is lost: their class has no way to ask.
        for device in (KEYBOARD, STICK):
            usb.plug(a, device)
        with desk_of(context, a, (KEYBOARD, STICK)) as desk:
            desk.start(b)
            desk.wait_at_work()
            away = server_killed(context, desk)
            desk.stop()
            desk.end()
    finally:
        for device in DEVICES:
            a.run(f"netchannel unexport {device.name} --force", check=False)
    context.figures["summary"] = (f"{pause} s without an answer when the wire was cut, {away} s when the server was killed; "
                                  "unplugged and plugged in; every key, number and write once")


def desk_of(context, server: Host, devices: tuple[Device, ...]) -> Desk:
    return Desk(context, server, "fixed", devices, {device: f"netchannel://{server}/usb/{device.name}" for device in devices})


def type_some(desk: Desk) -> None:
    desk.type(KEYS)


def cut(context, desk: Desk) -> float:
    with Watch(STICK_RAW, slots.LAYOUT) as watch:
        with context.hosts.wire_cut():
            desk.typist.type(KEYS_KEPT)
            time.sleep(CUT_SECONDS)  # what the scenario is about, not a wait for something
        desk.wait_keys()
        type_some(desk)
        watch.wait_all_change(WRITES_SECONDS)
    context.figures["cut"] = watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    expect(watch.longest_gap_seconds >= CUT_SECONDS * 0.9,
           f"expected no write for {CUT_SECONDS} s without a wire, the longest pause was {watch.longest_gap_seconds:.1f} s")
    return round(watch.longest_gap_seconds, 1)


def replug(desk: Desk) -> None:
    """The guest sees it, and goes on where it was."""
    for device, name in ((KEYBOARD, "keys"), (SERIAL, "counter")):
        usb.unplug(desk.server, device)
        desk.said(f"{name} gone", f"{device.name} to be gone")
        usb.plug(desk.server, device)
        desk.said(f"{name} here", f"{device.name} to be here again", times=2)
    type_some(desk)


def replug_stick(desk: Desk) -> None:
    """At rest: what was written stays. One that is pulled out at work gives errors, as it should."""
    usb.unplug(desk.server, STICK)
    desk.guest.type("while [ -b /dev/sda ]; do usleep 200000; done; echo the stick has gone")
    desk.said("the stick has gone", "the stick to be gone")
    usb.plug(desk.server, STICK)
    desk.guest.type("until [ -b /dev/sda ]; do usleep 200000; done; echo the stick is back")
    desk.said("the stick is back", "the stick to be back")


def server_killed(context, desk: Desk) -> float:
    started = product.starts(desk.server)
    with Watch(STICK_RAW, slots.LAYOUT) as watch:
        watch.wait_all_change(WRITES_SECONDS)
        product.kill(desk.server)
        watch.wait_all_change(WRITES_SECONDS)
        type_some(desk)
    context.figures["server_killed"] = watch.figures()
    expect(product.starts(desk.server) == started + 1, f"expected systemd to have started netchanneld on {desk.server} once")
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    return round(watch.longest_gap_seconds, 1)
