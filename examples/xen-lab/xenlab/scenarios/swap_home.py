TITLE = "a disk that stayed at hosta follows its guest: swapped to hostb's own, then hosta's has noise and starts no guest"

from .. import product, remote, swapping
from ..report import expect

LODGER = "remote@hosta"
HOME = "/dev/vdc"


def run(context):
    a, b = context.hosts.both
    guest = remote.begin(context, a)
    context.figures["migration_seconds"] = guest.migrate(b)
    product.control(b, command="swap", domain=guest.name, target=remote.TARGET, source=f"file:{HOME}")
    job = swapping.expect_switched(guest, HOME)
    export = product.exports(a)[remote.EXPORT]
    expect(not export["clients"], f"expected nobody to hold export {remote.EXPORT} after the switch, found {export['clients']}")
    moved = [(each["client"], each["to"]) for each in export["moved"]]
    expect(moved == [(remote.identity(guest), f"file:{HOME}")], f"expected hosta to know where the disk has gone, found {export}")
    context.figures |= {"job": job, "summary": f"switched after {job['switchedAfterMillis'] / 1000:.1f} s, longest write "
                                               f"{job['longestWriteMillis']} ms; hosta knows that its disk is out of date"}
    context.wanted = ""  # its disk is elsewhere now
    remote.end(context, guest)
