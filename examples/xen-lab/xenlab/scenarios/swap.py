TITLE = "a disk is swapped under its running guest; then the guest migrates with the new one. The old one has noise by then"

from .. import swapping
from ..report import expect

LODGER = swapping.NAME


def run(context):
    guest = swapping.begin(context)
    device = swapping.other(guest)
    done = guest.host.run(f"netchannel swap {guest.name} {swapping.TARGET} {device} --wait", check=False,
                          timeout=swapping.SWAP_SECONDS)
    expect(done.returncode == 0, f"netchannel swap failed with {done.returncode}: {done.stdout} {done.stderr}")
    job = swapping.expect_switched(guest, device)
    context.figures |= {"job": job, "said": done.stdout.strip().splitlines()[-1:]}
    context.figures["migration_seconds"] = guest.migrate(context.hosts.other(guest.host))
    context.figures["summary"] = (f"switched after {job['switchedAfterMillis'] / 1000:.1f} s, no write waited longer than "
                                  f"{job['longestWriteMillis']} ms")
    swapping.end(context, guest)
