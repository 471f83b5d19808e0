TITLE = "keyboard, stick, serial line and loudspeaker of a host in its guest, all at work at once: nothing is lost, nothing comes twice"

from .. import slots, usb
from ..report import expect
from ..usb_desk import NAME, Desk
from ..usb_devices import AUDIO, DEVICES, KEYBOARD, SERIAL, STICK, STICK_RAW
from ..watch import Watch

USB = True
KEYS = 60
WRITES_SECONDS = 60


def run(context):
    a = context.hosts.a
    for device in DEVICES:
        usb.plug(a, device)
    context.figures["devices"] = usb.plugged(a)
    with Desk(context, a, "stock", DEVICES, {device: f"usb:port={device.path}" for device in (STICK, SERIAL, AUDIO)}) as desk:
        desk.start(a)
        a.run(f"netchannel attach-usb {NAME} {KEYBOARD.port} usb:id={KEYBOARD.id},serial={KEYBOARD.serial}")
        desk.wait_at_work()
        with Watch(STICK_RAW, slots.LAYOUT) as watch:
            desk.typist.type(KEYS)
            desk.wait_keys()
            watch.wait_all_change(WRITES_SECONDS)
        expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
        a.run(f"netchannel detach-usb {NAME} {KEYBOARD.port}")
        desk.said("keys gone", "the keyboard to be gone")
        desk.stop()
        desk.expect_each_write_once()
        desk.end()
    found = context.figures | watch.figures()
    context.figures |= found | {"summary": f"{found['keys']} keys, {found['stick_writes']} writes to the stick, {found['numbers_to_guest']} and "
                                           f"{found['numbers_from_guest']} numbers, each once; {found['heard_frames']} frames of sound heard, "
                                           f"{found['missing_frames']} missing"}
