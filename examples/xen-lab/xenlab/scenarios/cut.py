TITLE = "the wire between the hosts is cut under load: the guest pauses and goes on, nothing is done twice"

import re
import time

from .. import product, remote
from ..report import expect
from ..watch import Watch

LODGER = "remote@hostb"
CUT_SECONDS = 10
BACK = re.compile(r"attached again after (\d+) ms, (\d+) requests were unanswered")


def run(context):
    a, b = context.hosts.both
    guest = remote.begin(context, b)
    before = remote.client(a, guest)
    twice = remote.writes_done_twice(context)
    since = b.now()
    with Watch(remote.RAW) as watch, remote.Answers(b) as answers:
        remote.wait_busy(a, guest)
        with context.hosts.wire_cut():
            time.sleep(CUT_SECONDS)  # what the scenario is about, not a wait for something
        guest.verified_again()
    after = remote.client(a, guest)
    found = BACK.search(product.journal(b, since))
    context.figures |= watch.figures() | {"longest_pause_seconds": answers.longest_pause_seconds}
    expect(found, "expected hostb's daemon to have lost the server and to be attached again, its journal does not say so")
    unanswered = context.figures["unanswered_at_reconnect"] = int(found[2])
    expect(unanswered, "expected requests to be outstanding when the wire was cut; this run shows nothing")
    expect(answers.longest_pause_seconds >= CUT_SECONDS * 0.9,
           f"expected no answer for {CUT_SECONDS} s without a wire, the longest pause was {answers.longest_pause_seconds} s")
    expect(before["generation"] == after["generation"], f"expected the same generation afterwards, found {before}, {after}")
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    again = remote.writes_done_twice(context) - twice
    expect(not again, f"expected each write to reach the device once, {again} were done again after the cut")
    context.figures["summary"] = (f"the guest paused for {answers.longest_pause_seconds} s, {unanswered} requests "
                                  "outstanding, each reached the device once")
    remote.end(context, guest)
