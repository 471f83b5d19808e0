TITLE = "netchannel migrate --with-storage to hostb and back: VM and disk in one command; what was left has other data by then"

from .. import product, swapping, trace_check
from ..guest import Disk
from ..hosts import Host
from ..report import expect, say

NAME, TARGET, DEVICE = "along", "xvdb", "/dev/vdb"
EXPORT = "along-xvdb"
VOLUME = f"{product.POOL_DIRECTORY}/{EXPORT}"


def run(context):
    a, b = context.hosts.both
    for host in (a, b):
        product.remove_export(host, EXPORT)
        host.run(f"mkdir -p {product.POOL_DIRECTORY} && rm -f {VOLUME}")
    a.run(f"netchannel export {EXPORT} {DEVICE} --allow hosta,hostb")
    guest = context.guest(NAME, Disk(TARGET, DEVICE, source(a)))
    guest.start(a)
    guest.verified_again(1)
    there = expect_moved(guest, b)
    swapping.noise(DEVICE)
    guest.verified_again(guest.options.slots + 1)
    back = expect_moved(guest, a)
    # Its blocks are given back: whoever reads it nevertheless gets zeros, which fio takes for nothing it wrote.
    b.run(f"fallocate --punch-hole --offset 0 --length $(stat -c %s {VOLUME}) {VOLUME}")
    guest.verified_again(guest.options.slots + 1)
    context.figures |= {"there": there, "back": back}
    context.figures["fio_rounds"] = guest.finish()
    verdict = trace_check.check({host.name: product.trace(host, NAME, TARGET) for host in context.hosts.both})
    expect(not verdict.problems, f"{len(verdict.problems)} requests not exactly once: {verdict.problems[:3]}")
    context.figures |= {"requests": verdict.requests,
                        "summary": f"{verdict.requests} requests each exactly once; there and back with its disk"}
    for host in (a, b):
        product.remove_export(host, EXPORT)
    b.run(f"rm -f {VOLUME}")


def source(host: Host) -> str:
    return f"netchannel://{host}/{EXPORT}"


def expect_moved(guest, to: Host) -> dict:
    """Guest and disk are at `to`, the XML and the host that was left know it. Returns the job of the host that was left."""
    left = guest.host
    say(f"netchannel migrate --with-storage {guest.name} {left} -> {to}")
    done = left.run(f"netchannel migrate --with-storage {guest.name} {to}", check=False, timeout=swapping.SWAP_SECONDS)
    expect(done.returncode == 0, f"netchannel migrate failed with {done.returncode}: {done.stdout} {done.stderr}")
    guest.host = to
    guest.verified_again(1)
    jobs = {host: product.control(host, command="jobs", domain=guest.name)[0] for host in (left, to)}
    expect(jobs[left]["state"] == "done" and jobs[left]["new"] == source(to), f"expected {left} to be done with {TARGET}, found {jobs[left]}")
    devices = [each for each in product.control(to, command="devices", domain=guest.name) if each["target"] == TARGET]
    expect([each["source"] for each in devices] == [source(to)], f"expected {TARGET} at {source(to)}, found {devices}")
    swapping.wait_job(guest, "done")  # the XML is asked for again until libvirt has it
    xml = to.output(f"virsh -c xen:///system dumpxml {guest.name}")
    expect(source(to) in xml and source(left) not in xml, f"expected the XML to name {source(to)}, found: {xml}")
    moved = [each["to"] for each in product.exports(left)[EXPORT]["moved"]]
    expect(moved == [source(to)], f"expected {left} to know where the disk has gone, found {moved}")
    return jobs[left]
