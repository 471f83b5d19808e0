TITLE = "a disk with legs on both hosts: the wire is cut under load, the guest pauses and goes on with one leg, then only what changed is copied"

import time

from .. import product
from ..guest import Disk
from ..hosts import SHARED_DISKS
from ..remote import Answers
from ..report import expect, say
from ..settings import COMMAND_SECONDS, PATIENCE

NAME, TARGET, EXPORT = "mirrored", "xvdb", "leg"
DEVICES = {"hosta": "/dev/vdb", "hostb": "/dev/vdc"}  # each host has its own leg
LEGS = [f"netchannel://{host}/{EXPORT}" for host in DEVICES]
CUT_SECONDS = 30
SYNC_SECONDS = 300 * PATIENCE
PIECE = 1 << 20


def run(context):
    a, b = context.hosts.both
    for host in context.hosts.both:
        product.remove_export(host, EXPORT)
        host.run(f"netchannel export {EXPORT} 'file:{DEVICES[host.name]}' --allow hosta,hostb")
    guest = context.guest(NAME, Disk(TARGET, DEVICES["hosta"], "mirror:" + ",".join(LEGS)))
    guest.start(a)
    first = wait_state(a, "sync")
    guest.verified_again(1)
    with Answers(a, NAME, TARGET) as answers:
        with context.hosts.wire_cut():
            time.sleep(CUT_SECONDS)  # what the scenario is about, not a wait for something
            alone = wait_state(a, "degraded")
        guest.verified_again()
    back = wait_state(a, "sync")
    expect(up_to_date(alone) == LEGS[:1], f"expected hosta's leg to go on alone while the wire was cut, found {alone}")
    expect(up_to_date(back) == LEGS, f"expected both legs to be up to date again, found {back}")
    expect(back["epoch"] == first["epoch"] + 2, f"expected two changes of who is up to date, found {first} and {back}")
    most = product.LEG_TIMEOUT_SECONDS * 2 * PATIENCE
    expect(answers.longest_pause_seconds <= most, f"expected a pause of at most {most} s, found {answers.longest_pause_seconds} s")
    copied = back["copiedBytes"] - alone["copiedBytes"]
    expect(0 < copied < back["sizeBytes"] / 2, f"expected only what changed to be copied, found {copied} of {back['sizeBytes']} bytes")
    context.figures["fio_rounds"] = guest.finish()
    expect_equal()
    for host in context.hosts.both:
        product.remove_export(host, EXPORT)
    context.figures |= {"longest_pause_seconds": answers.longest_pause_seconds, "copied_bytes": copied, "size_bytes": back["sizeBytes"],
                        "summary": f"the guest paused for {answers.longest_pause_seconds} s without an error; {copied >> 10} KiB of "
                                   f"{back['sizeBytes'] >> 20} MiB were copied"}


def mirror(host) -> dict:
    found = [each for each in product.control(host, command="mirrors") if each["domain"] == NAME]
    expect(len(found) == 1 and found[0]["target"] == TARGET, f"expected the disk {TARGET} of {NAME} to have two legs, found {found}")
    return found[0]


def wait_state(host, state: str) -> dict:
    deadline = time.monotonic() + SYNC_SECONDS
    while (found := mirror(host))["state"] != state:
        expect(time.monotonic() < deadline, f"expected legs that are in state {state} within {SYNC_SECONDS:.0f} s, found {found}")
        time.sleep(0.5)
    say(f"legs of {NAME}: {state}, epoch {found['epoch']}")
    return found


def up_to_date(found: dict) -> list[str]:
    return [leg["source"] for leg in found["legs"] if leg["upToDate"]]


def expect_equal() -> None:
    """Nobody has the legs any more: they are one disk, byte by byte."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while (where := difference()) is not None:
        expect(time.monotonic() < deadline, f"expected two legs that are alike after the guest's end, they differ at {where}")
        time.sleep(1)


def difference() -> int | None:
    paths = [SHARED_DISKS[device] for device in DEVICES.values()]
    with open(paths[0], "rb") as one, open(paths[1], "rb") as other:
        at = 0
        while piece := one.read(PIECE):
            if piece != other.read(PIECE):
                return at
            at += len(piece)
    return None
