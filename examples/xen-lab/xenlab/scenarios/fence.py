TITLE = "a host is cut off, its guest started at the other one: who missed that is refused every time it writes"

import re
import time

from .. import product, remote
from ..guest import Guest
from ..old_client import OldClient
from ..report import expect
from ..settings import COMMAND_SECONDS, ROUND_SECONDS
from ..watch import Watch

# The old guest runs on hostb behind a cut wire while the same guest (its uuid is the disk's client) is started on hosta,
# as an administrator does who takes hostb for lost. When the wire is back, hostb's mid-point comes with its old
# generation; beside it a client with hostb's certificate that does not take no for an answer.

LODGER = "remote@hostb"
TRIES = 20


def run(context):
    a, b = context.hosts.both
    old = remote.begin(context, b)
    generation = remote.client(a, old)["generation"]
    since = {host: host.now() for host in (a, b)}
    survivor = context.guest(remote.NAME, *old.disks)
    survivor.uuid, survivor.consoles = old.uuid, (a,)
    with context.hosts.wire_cut():
        survivor.start(a, keep_disks=True)
        taken = remote.client(a, survivor)
        expect(taken["generation"] > generation, f"expected a generation above {generation} at hosta, found {taken}")
    disk_bytes = context.options.disk_bytes
    with OldClient(b, "10.77.0.1", remote.EXPORT, remote.identity(old), generation, disk_bytes) as stubborn:
        context.figures["old_mid_point"] = wait_journal(b, since[b], rf"refuses: (generation {generation} of .*? is over[^;]*)")
        context.figures["old_guest"] = old_guest_cannot_write(context, old)
        with Watch(remote.RAW) as fresh:  # until all of the old guest's blocks there are the survivor's: each has its own time
            fresh.wait_all_change(ROUND_SECONDS)
        with Watch(remote.RAW) as watch:
            survivor.verified_again()
            stubborn.wait_refused(TRIES)
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    context.figures |= watch.figures() | {"old_client": dict(stubborn.outcomes), "generations": [generation, taken["generation"]]}
    # A refusal that is on its way when the client's hasty write arrives may be lost with the connection.
    expect(all(outcome in ("refused: stale", "refused: protocol") or outcome.startswith("connection ended") for outcome in stubborn.outcomes),
           f"expected every try with the old generation to be refused, found {dict(stubborn.outcomes)}")
    words = f"generation {generation} of {remote.identity(old)} is over: export {remote.EXPORT} is used with generation"
    expect(stubborn.outcomes["refused: stale"] and all(each.startswith(words) for each in stubborn.words["refused: stale"]),
           f"expected the server to say that {words}, it says: {stubborn.words}")
    seen = product.journal(a, since[a]).count(f"refused: {words}")
    expect(seen >= stubborn.outcomes["refused: stale"],
           f"expected each refusal in hosta's journal, found {seen} of {stubborn.outcomes['refused: stale']}")
    expect(remote.client(a, survivor)["generation"] == taken["generation"], "expected the disk to stay with the new generation")
    end_old(context, old, survivor)
    context.figures["summary"] = (f"generation {generation} refused {stubborn.refused + 1} times by hosta, every write of the old "
                                  f"guest failed, generation {taken['generation']} verifies")
    remote.end(context, survivor)


def wait_journal(host, since: float, pattern: str) -> str:
    deadline = time.monotonic() + COMMAND_SECONDS
    while not (found := re.search(pattern, product.journal(host, since))):
        expect(time.monotonic() < deadline, f"expected netchanneld on {host} to log {pattern}")
        time.sleep(1)
    return found[1]


def old_guest_cannot_write(context, old: Guest) -> str:
    """It goes on, as one does that nobody has told; all it writes fails."""
    old.type("dd if=/dev/zero of=/dev/xvdb bs=4k count=64 seek=256 conv=fsync; echo old writer ended with $?")
    deadline = time.monotonic() + COMMAND_SECONDS
    host = old.host
    while not (found := re.search(r"old writer ended with (\d+)", old.console(host))):
        expect(time.monotonic() < deadline, f"expected dd in the old guest to end; its console: {old.console(host)[-400:]}")
        time.sleep(1)
    expect(found[1] != "0", "expected what the old guest writes to fail, dd says it has written")
    errors = re.findall(r"I/O error, dev xvdb", old.console(host))
    expect(errors, "expected the old guest's kernel to complain of its disk")
    return f"dd ended with {found[1]}, {len(errors)} I/O errors"


def end_old(context, old: Guest, survivor: Guest) -> None:
    """hostb is found to be alive after all; what its guest said is kept, and is no complaint of the survivor."""
    host = old.host
    (context.logs / f"{host}-old-guest.log").write_text(old.console(host))
    host.run(f"virsh -c xen:///system destroy {old.name}; : >{old.log}")
    context.guests.remove(old)
    survivor.consoles = context.hosts.both
    survivor.expect_only_on(survivor.host)
