TITLE = "the device server is killed under load and started by systemd: the guest pauses and goes on"

from .. import product, remote
from ..report import expect
from ..watch import Watch
from .cut import BACK

LODGER = "remote@hostb"


def run(context):
    a, b = context.hosts.both
    guest = remote.begin(context, b)
    before, started = remote.client(a, guest), product.starts(a)
    twice = remote.writes_done_twice(context)
    since = b.now()
    with Watch(remote.RAW) as watch, remote.Answers(b) as answers:
        remote.wait_busy(a, guest)
        product.kill(a)
        guest.verified_again()
    after = remote.client(a, guest)
    found = BACK.search(product.journal(b, since))
    context.figures |= watch.figures() | {"longest_pause_seconds": answers.longest_pause_seconds}
    expect(product.starts(a) == started + 1, f"expected systemd to have started netchanneld on hosta once, found "
                                             f"{product.starts(a) - started} times")
    expect(found, "expected hostb's daemon to have lost the server and to be attached again, its journal does not say so")
    unanswered = context.figures["unanswered_at_reconnect"] = int(found[2])
    again = context.figures["writes_given_to_the_device_again"] = remote.writes_done_twice(context) - twice
    expect(again, "expected writes to be at the device when its server was killed, and to be sent again; none was")
    expect(before["generation"] == after["generation"], f"expected the same generation afterwards, found {before}, {after}")
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures["summary"] = (f"the guest paused for {answers.longest_pause_seconds} s, {unanswered} requests "
                                  f"outstanding, {again} writes given to the device again")
    remote.end(context, guest)
