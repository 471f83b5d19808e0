TITLE = "stock virsh migrate lets old writes land over newer ones; with the hook it does not; abort when the bound passes"

# A guest on the kernel's own backend, no metadata. While it is at a host, writes take long in that host's storage path,
# so that some are held when it suspends; the host it comes to reaches the disks at once. Both kinds of writer run in
# it, each on its own disk, so that every migration is a run of both.

import re
import time
from contextlib import ExitStack
from datetime import datetime

from .. import product, slots
from ..block_trace import BlockTrace
from ..guest import plain
from ..hosts import SHARED_DISKS
from ..report import expect, say
from ..settings import PATIENCE
from ..slow_disk import SlowDisk
from ..watch import Watch

WRITERS = {"aio": ("xvda", "/dev/vdb"), "buffered": ("xvdb", "/dev/vdc")}
# A late write is one that takes longer than the guest takes from its last write at the source to its first at the
# destination: 5 to 10 s on an emulated host, more on a busy one, so a migration before the others measures it. The
# widely different delays are there because all slots are held from the same moment on: whenever the guest suspends
# after it, some have a long way to go.
SHORTEST_TO_GAP = 1.5
LONGEST_TO_GAP = 3.5
SHORTEST_GAP_SECONDS = 7
LONGEST_TO_DRAIN = 0.8
# Writes begin to be held when pre-copy does, and at the suspend, half a minute later, `drain` is not enough for them.
STUCK_SECONDS = (110, 140)
WRITES_SECONDS = 60 * PATIENCE  # for the guest to rewrite every slot on a disk that is not slow
FINISH_SECONDS = 60 * PATIENCE

DRAINED = re.compile(r"(xvd[a-z]) \(\w+\): (\d+) unanswered, drained after ([\d.]+) (ms|s)")
REFUSED = re.compile(r"(xvd[a-z])\b.*?(\d+)\b.*?unanswered", re.S)
TRACE_TOLERANCE_SECONDS = 1.0  # between the last completion and the daemon's look at the ring that finds it


def run(context):
    hosts, figures, runs = context.hosts, context.figures, context.options.late_write_runs
    with ExitStack() as stack:
        disks = {kind: stack.enter_context(SlowDisk(hosts, shared)) for kind, (_, shared) in WRITERS.items()}
        guest = context.guest("latewrite", *(plain(target, disks[kind].device) for kind, (target, _) in WRITERS.items()),
                              program="slots " + " ".join(f"{kind}:/dev/{target}" for kind, (target, _) in WRITERS.items()))
        stack.callback(end, guest, disks, hosts)
        guest.start(hosts.a)
        for kind in WRITERS:  # until nothing is left on its disk of what was there before
            with watch(kind) as fresh:
                fresh.wait_all_change(WRITES_SECONDS)

        with product.hook_out(hosts.both if context.options.product else ()):
            slow = figures["slow_seconds"] = slow_seconds(guest)
            figures["stock"] = [slow_migration(context, guest, disks, slow) for _ in range(runs)]
        figures["summary"] = "stock: " + said(figures["stock"])
        for kind in WRITERS:
            expect(any(found[kind]["steps_back"] for found in figures["stock"]),
                   f"could not produce the hazard: in {runs} stock migrations no {kind} write landed late")
        figures["stale_reads_stock"] = before = stale_reads(guest)
        if context.options.product:
            figures["with_hook"] = [with_hook(context, guest, disks, slow) for _ in range(runs)]
            figures["abort"] = abort(context, guest, disks)
            figures["stale_reads_with_hook"] = stale_reads(guest) - before
            expect(not figures["stale_reads_with_hook"], "the guest has read something else than it wrote: see its console")
            figures["summary"] += "; with the hook: " + said(figures["with_hook"]) + "; aborted when the bound passed"
        finish(guest)


# ------------------------------------------------------------------------------------------------ stock, with hook, abort

def slow_seconds(guest) -> tuple[int, int]:
    """How long writes shall take: the shortest and the longest of them."""
    with watch("aio") as plain_path:
        migrate(guest, guest.hosts.other(guest.host))
        plain_path.wait_all_change(WRITES_SECONDS)
    gap = max(plain_path.longest_gap_seconds, SHORTEST_GAP_SECONDS)
    # On a machine so busy that they would outlast what netchanneld waits for, they are shorter, and fewer land late.
    gap = min(gap, product.DRAIN_SECONDS * LONGEST_TO_DRAIN / LONGEST_TO_GAP)
    slow = round(gap * SHORTEST_TO_GAP), round(gap * LONGEST_TO_GAP)
    say(f"the guest did not write for {plain_path.longest_gap_seconds:.1f} s: slow writes take {slow[0]} to {slow[1]} s")
    return slow


def with_hook(context, guest, disks, slow) -> dict:
    found = slow_migration(context, guest, disks, slow)
    timeline = product.timeline(guest.host, guest.name)
    drained = drained_of(timeline)
    found["hook_held_seconds"] = held_seconds(timeline, guest.host)
    for kind, (target, _) in WRITERS.items():
        seen = found[kind]
        expect(target in drained, f"expected the timeline to say what {target} waited for; it says: {timeline}")
        seen["unanswered"], seen["drained_after_seconds"] = drained[target]
        expect(not seen["steps_back"], f"{kind}: with the hook writes landed late: {seen['steps_back'][:3]}")
        expect(not seen["done_late"], f"{kind}: with the hook the source's trace shows writes done "
                                      f"{seen['done_late']} s after the guest's first at the destination")
        expect(seen["margin_seconds"] > found["clock_error_seconds"],
               f"{kind}: the source's last write was done {seen['margin_seconds']} s before the guest's first at the "
               f"destination; the clocks are known to {found['clock_error_seconds']} s only")
        expect(seen["unanswered"] > 0, f"{kind}: nothing was unanswered at the suspend, this run shows nothing")
        compare_with_trace(kind, seen)
    say(f"hook: held the resume for {found['hook_held_seconds']} s; "
        + ", ".join(f"{kind}: {found[kind]['unanswered']} unanswered" for kind in WRITERS))
    return found


def abort(context, guest, disks) -> dict:
    source, destination = guest.host, context.hosts.other(guest.host)
    with ExitStack() as stack:
        watches = {kind: stack.enter_context(watch(kind)) for kind in WRITERS}
        for disk in disks.values():
            disk.hold_writes(source, *STUCK_SECONDS)
        done = guest.try_to_migrate(destination)
        expect(done.returncode != 0, "expected virsh migrate to fail with writes held for longer than the bound, it succeeded")
        # What a failed hook `started` says, libvirt 9.0 keeps in its log.
        message = next((str(e["detail"]) for e in product.timeline(source, guest.name) if e["event"] == "abort"), "no abort")
        refused = REFUSED.search(message)
        expect(refused and int(refused[2]) > 0, "expected the timeline to name a disk and how many of its requests are "
                                                f"unanswered, it says: {message}")
        guest.expect_only_on(source)
        for disk in disks.values():
            disk.let_go(source)
        for each in watches.values():
            each.wait_all_change(WRITES_SECONDS)
        seconds = migrate(guest, destination)
        for each in watches.values():
            each.wait_all_change(WRITES_SECONDS)
    for kind, each in watches.items():
        expect(not each.steps_back, f"{kind}: around the abort writes landed late: {each.steps_back[:3]}")
    return {"message": message, "then_migrated_seconds": seconds}


# ------------------------------------------------------------------------------------------------ one migration

def slow_migration(context, guest, disks, slow) -> dict:
    """Migrates the guest from a host where writes are slow, waits until all of them have landed and the guest has
    rewritten every slot; what was seen from outside and in the hosts' block traces."""
    hosts, source = context.hosts, guest.host
    destination = hosts.other(source)
    for disk in disks.values():
        disk.hold_writes(source, *slow)
    trace = BlockTrace(hosts)
    with ExitStack() as stack:
        watches = {kind: stack.enter_context(watch(kind)) for kind in WRITERS}
        stack.enter_context(trace)
        seconds = migrate(guest, destination)
        for each in watches.values():
            each.wait_all_change(WRITES_SECONDS)
    for disk in disks.values():
        disk.let_go(source)  # nothing is held any more
    found = {"direction": f"{source} -> {destination}", "migration_seconds": seconds,
             "clock_error_seconds": round(trace.clock_error_seconds, 2)}
    for kind, (_, shared) in WRITERS.items():
        first, last = trace.first_write_issued(destination, shared), trace.last_write_done(source, shared)
        expect(first and last, f"expected writes to {shared} in the block traces of both hosts, found none on one of them")
        late = [r for r in trace.done_after(source, shared, first) if r.write]
        found[kind] = {"steps_back": watches[kind].steps_back, "margin_seconds": round(first - last, 2),
                       "done_late": [round(r.at - first, 2) for r in late],
                       # For each request the source's disk did towards the end: how long before the last write.
                       "done_before_last_seconds": [round(last - r.at, 2) for r in trace.done_after(source, shared, last - product.DRAIN_SECONDS)]}
    say("seen: " + said([found]) + "; from the source's last write to the guest's first: "
        + ", ".join(f"{kind} {found[kind]['margin_seconds']} s" for kind in WRITERS))
    return found


def migrate(guest, destination) -> float:
    """Returns the seconds it took. At the end nothing of the guest is left at the source: its backend keeps a domain as a
    zombie until the last request is done."""
    began = time.monotonic()
    done = guest.try_to_migrate(destination)
    seconds = round(time.monotonic() - began, 1)
    expect(done.returncode == 0, f"virsh migrate {guest.host} -> {destination} failed: {done.stderr.strip()}")
    guest.expect_only_on(destination)
    return seconds


def watch(kind: str) -> Watch:
    return Watch(SHARED_DISKS[WRITERS[kind][1]], slots.LAYOUT)


def said(found: list[dict]) -> str:
    return ", ".join(f"{kind} " + "+".join(str(len(each[kind]["steps_back"])) for each in found) + " steps back, "
                     + f"{sum(len(each[kind]['done_late']) for each in found)} writes late" for kind in WRITERS)


# ------------------------------------------------------------------------------------------------ the timeline

def drained_of(timeline: list[dict]) -> dict[str, tuple[int, float]]:
    """By target: requests unanswered at the suspend, seconds until there was none."""
    return {target: (int(count), float(number) / (1000 if unit == "ms" else 1)) for step in timeline
            for target, count, number, unit in DRAINED.findall(step["detail"])}


def held_seconds(timeline: list[dict], destination) -> float:
    """From the call of hook `started` until libvirt is told to let the guest run."""
    steps = [step for step in timeline if step["host"] == destination.name]
    called = next((step["time"] for step in steps if 'hook "started"' in step["detail"]), None)
    answered = next((step["time"] for step in steps if step["event"] == "resume"), None)
    expect(called and answered, f"expected the call of hook `started` and phase resume in the timeline: {steps}")
    return round((datetime.fromisoformat(answered) - datetime.fromisoformat(called)).total_seconds(), 2)


def compare_with_trace(kind: str, seen: dict) -> None:
    """What the daemon read from the rings is what the source's disk did from there on."""
    waited, done = seen["drained_after_seconds"], seen["done_before_last_seconds"]
    least = sum(before <= waited - TRACE_TOLERANCE_SECONDS for before in done)
    most = sum(before <= waited + TRACE_TOLERANCE_SECONDS for before in done)
    expect(least <= seen["unanswered"] <= most,
           f"{kind}: {seen['unanswered']} requests unanswered says the timeline, {least} to {most} says the block trace "
           f"of the {waited} s until the last was done")


# ------------------------------------------------------------------------------------------------ the end

def stale_reads(guest) -> int:
    return guest.console().count("STALE")


def finish(guest) -> None:
    """Stops the writers; what the guest says it has on its disks is there, read from outside."""
    guest.type("stop")
    finals = {target: guest.wait_console(rf"slots {target} final((?: \d+)+)", FINISH_SECONDS, f"the last of {target}")[1]
              for target, _ in WRITERS.values()}
    guest.destroy()
    guest.expect_nothing_left()
    for target, shared in WRITERS.values():
        slots.verify_from_outside(SHARED_DISKS[shared], [int(counter) for counter in finals[target].split()])


def end(guest, disks, hosts) -> None:
    """So that the devices can be removed, whatever happened."""
    for disk in disks.values():
        for host in hosts.both:
            disk.let_go(host)
    guest.destroy()
