TITLE = "a disk follows its guest: plain virsh migrate to hostb and back; each time the disk that was left loses its data then"

import time

from .. import product, swapping, trace_check
from ..guest import Disk
from ..hosts import Host
from ..report import expect

NAME, TARGET, DEVICE = "follower", "xvdb", "/dev/vdb"
EXPORT = "follower-xvdb"
VOLUME = f"{product.POOL_DIRECTORY}/{EXPORT}"


def run(context):
    a, b = context.hosts.both
    for host in (a, b):
        product.remove_export(host, EXPORT)
        host.run(f"mkdir -p {product.POOL_DIRECTORY} && rm -f {VOLUME}")
    a.run(f"netchannel export {EXPORT} {DEVICE} --allow hosta,hostb")
    guest = context.guest(NAME, Disk(TARGET, DEVICE, source(a), follow=product.POOL))
    guest.start(a)
    guest.verified_again(1)
    seconds = [guest.migrate(b)]
    there = expect_followed(guest, a)
    swapping.noise(DEVICE)
    guest.verified_again(guest.options.slots + 1)
    exports = product.exports(b)
    expect(exports[EXPORT]["source"] == f"file:{VOLUME}" and set(exports[EXPORT]["allow"]) == {"hosta", "hostb"},
           f"expected hostb to export {VOLUME} to both hosts, found {exports[EXPORT]}")
    seconds.append(guest.migrate(a))
    back = expect_followed(guest, b)
    # Its blocks are given back: whoever reads it nevertheless gets zeros, which fio takes for nothing it wrote.
    b.run(f"fallocate --punch-hole --offset 0 --length $(stat -c %s {VOLUME}) {VOLUME}")
    guest.verified_again(guest.options.slots + 1)
    context.figures |= {"migration_seconds": seconds, "there": there, "back": back}
    context.figures["fio_rounds"] = guest.finish()
    verdict = trace_check.check({host.name: product.trace(host, NAME, TARGET) for host in context.hosts.both})
    expect(not verdict.problems, f"{len(verdict.problems)} requests not exactly once: {verdict.problems[:3]}")
    context.figures |= {"requests": verdict.requests,
                        "summary": f"{verdict.requests} requests each exactly once; switched after "
                                   + " and ".join(f"{job['switchedAfterMillis'] / 1000:.1f} s" for job in (there, back))}
    for host in (a, b):
        product.remove_export(host, EXPORT)
    b.run(f"rm -f {VOLUME}")


def source(host: Host) -> str:
    return f"netchannel://{host}/{EXPORT}"


def expect_followed(guest, left: Host) -> dict:
    """Until the guest's host has its disk, by itself; the XML and the host that was left know it. Returns the job."""
    host, deadline = guest.host, time.monotonic() + swapping.SWAP_SECONDS
    while True:
        jobs = product.control(host, command="jobs", domain=guest.name)
        if jobs and jobs[0]["state"] == "done" and jobs[0]["new"] == source(host):
            break
        waiting = product.control(host, command="status")["waiting"]
        expect(time.monotonic() < deadline, f"expected {TARGET} to follow to {host} within {swapping.SWAP_SECONDS:.0f} s, "
                                            f"found jobs {jobs[:1]}, waiting {waiting}")
        time.sleep(0.5)
    devices = [each for each in product.control(host, command="devices", domain=guest.name) if each["target"] == TARGET]
    expect([each["source"] for each in devices] == [source(host)], f"expected {TARGET} at {source(host)}, found {devices}")
    xml = host.output(f"virsh -c xen:///system dumpxml {guest.name}")
    expect(source(host) in xml and source(left) not in xml and f'follow="{product.POOL}"' in xml.replace("'", '"'),
           f"expected the XML to name {source(host)} and to keep follow, found: {xml}")
    moved = [each["to"] for each in product.exports(left)[EXPORT]["moved"]]
    expect(moved == [source(host)], f"expected {left} to know where the disk has gone, found {moved}")
    return jobs[0]
