"""A guest whose disk is swapped, which the scenarios about that share, and what is expected of each swap."""

import os
import time

from . import product, trace_check
from .guest import Guest, netchannel
from .hosts import SHARED_DISKS, Host
from .report import expect, say
from .settings import COMMAND_SECONDS, PATIENCE

NAME, TARGET = "swapped", "xvdb"
DISKS = ("/dev/vdb", "/dev/vdc")
SWAP_SECONDS = 300 * PATIENCE
NOISE_BLOCK = 1 << 20


def begin(context) -> Guest:
    """It runs and has verified a round."""
    left = context.lodger(NAME)
    if left:
        return left
    guest = context.guest(NAME, netchannel(TARGET, DISKS[0]))
    guest.start(context.hosts.a)
    guest.verified_again(1)
    return guest


def end(context, guest: Guest) -> None:
    """Leaves it to the next scenario, or ends it: what it wrote is on the disk it has now, every request had one outcome."""
    if context.leaves(guest):
        return
    context.figures["fio_rounds"] = guest.finish()
    verdict = trace_check.check({host.name: product.trace(host, NAME, TARGET) for host in context.hosts.both})
    context.figures["requests"] = verdict.requests
    expect(not verdict.problems, f"{len(verdict.problems)} requests not exactly once: {verdict.problems[:3]}")


def other(guest: Guest) -> str:
    """The disk that it has not."""
    return DISKS[1 - DISKS.index(guest.disks[0].device)]


def begin_swap(guest: Guest, device: str, **more) -> dict:
    say(f"netchannel swap {guest.name} {TARGET} {device} {more or ''}")
    return product.control(guest.host, command="swap", domain=guest.name, target=TARGET, source=f"file:{device}", **more)


def tell(guest: Guest, action: str, **more) -> dict:
    return product.control(guest.host, command="job", domain=guest.name, target=TARGET, action=action, **more)


def wait_job(guest: Guest, *states: str, seconds: float = SWAP_SECONDS, look_seconds: float = 0.5) -> dict:
    """Until the newest job is in one of these states; that it fails in between ends the wait."""
    deadline = time.monotonic() + seconds
    while True:
        job = tell(guest, "show")
        if job["state"] in states:
            return job
        expect(job["state"] != "aborted", f"expected a job that becomes {states}, found {job}")
        expect(time.monotonic() < deadline, f"expected a job that is {states} within {seconds:.0f} s, found {job}")
        time.sleep(look_seconds)


def wait_over(guest: Guest) -> None:
    """Until it was given up, and the old disk is the guest's."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while (job := tell(guest, "show"))["state"] != "aborted":
        expect(time.monotonic() < deadline, f"expected a job that is given up, found {job}")
        time.sleep(0.5)


def expect_switched(guest: Guest, device: str) -> dict:
    """The job is done, everybody names the new disk, and the guest has all it wrote although the old disk has noise only."""
    job = wait_job(guest, "done")
    noise(guest.disks[0].device)
    has_now(guest, device)
    guest.verified_again(guest.options.slots + 1)
    return job


def has_now(guest: Guest, device: str) -> None:
    """The guest's daemon and the XML name this device, and the one before no more."""
    old = guest.disks[0].source
    guest.disks[0].device, guest.disks[0].source = device, f"file:{device}"
    devices = [each for each in product.control(guest.host, command="devices", domain=guest.name) if each["target"] == TARGET]
    expect([each["source"] for each in devices] == [f"file:{device}"], f"expected {TARGET} at file:{device}, found {devices}")
    xml = guest.host.output(f"virsh -c xen:///system dumpxml {guest.name}")
    expect(f"file:{device}" in xml and old not in xml, f"expected the XML to name file:{device} only, found: {xml}")


def noise(device: str) -> None:
    """Nobody has it any more; whoever reads it nevertheless is seen."""
    path = SHARED_DISKS[device]
    with open(path, "r+b") as raw:
        for _ in range(path.stat().st_size // NOISE_BLOCK):
            raw.write(os.urandom(NOISE_BLOCK))
        os.fsync(raw.fileno())


def kill_and_wait(host: Host) -> None:
    """Its daemon dies in the middle, and systemd starts the next one."""
    product.kill(host)
    product.wait_ready(host)


def wait_copied(guest: Guest, least: int = 1) -> dict:
    """Until so many bytes were copied."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while (job := tell(guest, "show"))["copiedBytes"] in (None, *range(least)):
        expect(time.monotonic() < deadline, f"expected {least} bytes to be copied, found {job}")
        time.sleep(0.2)
    return job
