TITLE = "a guest with USB devices and a disk there and back, all at work; with two processors, without USB, with Linux' own driver"

from statistics import median

from .. import product, usb, usb_gap
from ..goals import Goal
from ..guest import netchannel
from ..hosts import Host
from ..report import expect
from ..usb_desk import DISK, KEYS, NAME, Desk
from ..usb_devices import AUDIO, KEYBOARD, MODEM, STICK, Device

USB = True
DEVICES = (KEYBOARD, STICK, MODEM, AUDIO)
DEVICE = "/dev/vdb"
SLOWER = 1.05  # than without USB devices
# What a driver that resumes must never have: requests found on an old ring, answers that might have met a request.
COUNTERS = ("orphans", "uncovered")


def run(context):
    figures = context.figures
    seconds, gaps = there_and_back(context, "one_processor", DEVICES, context.options.round_trips)
    without, _ = there_and_back(context, "without_usb", (), context.options.round_trips)
    there_and_back(context, "two_processors", DEVICES, 1, vcpus=2, then=asleep)
    stock(context)
    goals = [
        Goal("seal and hand-over, of the frontend's own window", "<", 1, round(median(gap.ours / gap.window for gap in gaps), 3)),
        Goal("migration with four USB devices, of one without", "<=", SLOWER, round(median(seconds) / median(without), 3)),
    ]
    figures["goals"] = [goal.figures() for goal in goals]
    missed = [str(goal) for goal in goals if not goal.met]
    expect(not missed, "; ".join(missed))
    figures["summary"] = (f"URB gap {median(gap.figures()['gap'] for gap in gaps) / 1000:.1f} s, ours {median(gap.ours for gap in gaps):.0f} ms of it; "
                          f"{goals[1].found} of the time without; each key, number and write once; Linux' own driver: keyboard goes, stick refused")


def source(device: Device) -> str:
    """As a device with a serial number of its own is named, and as one without."""
    return f"usb:id={device.id},serial={device.serial}" if device in (KEYBOARD, MODEM) else f"usb:port={device.path}"


def there_and_back(context, name: str, devices: tuple[Device, ...], trips: int, vcpus: int = 1, then=None):
    """Fixed driver. Returns the seconds of each migration, and what each cost the devices."""
    a, b = context.hosts.both
    figures = context.figures[name] = {}
    for device in devices:
        usb.plug(a, device)
    seconds, gaps = [], []
    with Desk(context, a, "fixed", devices, {device: source(device) for device in devices}, netchannel(DISK, DEVICE), vcpus, figures) as desk:
        desk.start(a)
        desk.wait_at_work()
        with desk.watching():
            for to in (b, a) * trips:
                left = desk.guest.host
                seconds.append(desk.move(to))
                if devices:
                    gaps.append(gap(left, devices))
                    figures.setdefault("counters", []).append(expect_kept(to, desk))
        figures |= {"migration_seconds": seconds, "urb_gaps": [each.figures() for each in gaps]}
        desk.stop()
        if STICK in devices:
            desk.expect_each_write_once()
        desk.expect_undisturbed()
        if then:
            then(desk, b)
        desk.end()
    context.guests.remove(desk.guest)
    return seconds, gaps


def gap(left: Host, devices: tuple[Device, ...]) -> usb_gap.Gap:
    newest = product.control(left, command="migrations", which=NAME)[0]["id"]
    traces = {target(device): product.trace(left, NAME, target(device)) for device in devices}
    return usb_gap.measure(product.control(left, command="migrations", which=newest), traces)


def target(device: Device) -> str:
    return f"usb{device.port}"


def expect_kept(host: Host, desk: Desk) -> dict:
    """A guest that resumes leaves nothing on an old ring, and nothing is guessed about one. Returns the ports' counters."""
    found = counters(host)
    expect(len(found) == len(desk.devices) and not any(counter for each in found.values() for counter in each.values()),
           f"expected {len(desk.devices)} ports without orphans and without a problem on {host}, found {found}")
    return found


def counters(host: Host) -> dict:
    ports = [each for each in product.control(host, command="devices", domain=NAME) if each["kind"] == "usb"]
    return {each["target"]: {name: each[name] for name in (*COUNTERS, "problem")} for each in ports}


def asleep(desk: Desk, to: Host) -> None:
    """Devices that the guest has suspended because nobody uses them: they migrate asleep, and wake up there."""
    desk.guest.type("for d in /sys/bus/usb/devices/*-1/power; do echo 0 >$d/autosuspend_delay_ms; echo auto >$d/control; done; "
                    "until [ $(cat /sys/bus/usb/devices/*-1/power/runtime_status | grep -c suspended) -ge 2 ]; do usleep 200000; done; "
                    "echo they are asleep")
    desk.said("they are asleep", "two devices to be suspended")
    desk.guest.move(to)
    desk.guest.type(f"rm /run/stop; keys {desk.typist.typed} & dd if=/dev/sda of=/dev/null bs=4k count=16 && echo the stick reads")
    desk.said("the stick reads", "the stick to be read")
    desk.said("keys here", "the keyboard to be here", times=2)
    desk.type(KEYS)
    desk.guest.type("stop")
    desk.said(rf"keys final {desk.typist.typed}\b", "each key once")
    desk.expect_undisturbed()


def stock(context) -> None:
    """Linux' own xen-hcd: a keyboard goes; with a stick, which would cost the guest its memory, it is told so and nothing is done."""
    a, b = context.hosts.both
    figures = context.figures["stock_driver"] = {}
    usb.plug(a, KEYBOARD)
    with Desk(context, a, "stock", (KEYBOARD,), {KEYBOARD: source(KEYBOARD)}, figures=figures) as desk:
        desk.start(a)
        desk.wait_at_work()
        figures["migration_seconds"] = [desk.move(to) for to in (b, a)]
        figures["counters"] = counters(a)
        usb.plug(a, STICK)
        a.run(f"netchannel attach-usb {NAME} {STICK.port} {source(STICK)}")
        desk.guest.type("until (: </dev/sda) 2>/dev/null; do usleep 200000; done; echo the stick is here")
        desk.said("the stick is here", "the stick to be in the guest")
        figures |= desk.guest.expect_refused(b, "feature-resume")
        product.restart_libvirtd(a)
        desk.goes_on()
        desk.stop()
        desk.end()
        usb.unplug(a, STICK)
    context.guests.remove(desk.guest)
