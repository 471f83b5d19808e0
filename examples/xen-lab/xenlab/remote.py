"""The guest of the scenarios about remote disks, which they share: its disk is one of hosta's, wherever it runs."""

import json
import time
from collections import Counter

from . import product, trace_check
from .guest import Disk, Guest
from .hosts import SHARED_DISKS, Host
from .report import expect, say
from .settings import COMMAND_SECONDS

NAME = "remote"
EXPORT = "disk"
TARGET = "xvdb"
DEVICE = "/dev/vdb"
RAW = SHARED_DISKS[DEVICE]
BUSY = 16  # of the 32 that a round of the guest keeps outstanding
SERVER_TRACE = f"{product.TRACES}/export-{EXPORT}.jsonl"


def disk(export: str = EXPORT) -> Disk:
    return Disk(TARGET, DEVICE, f"netchannel://hosta/{export}")


def begin(context, host: Host) -> Guest:
    """It runs on this host and has verified a round."""
    left = context.lodger(NAME, host)
    if left:
        return left
    server = context.hosts.a
    product.remove_export(server, EXPORT)
    # Behind the server its requests take seconds, so that there are always some at the device; in front of the delay a
    # trace of what reaches it.
    source = f"trace:{SERVER_TRACE}!{context.options.disk_filter}!file:{DEVICE}"
    server.run(f"rm -f {SERVER_TRACE}; netchannel export {EXPORT} '{source}' --allow hosta,hostb")
    guest = context.guest(NAME, disk())
    guest.start(host)
    guest.verified_again(1)
    return guest


def end(context, guest: Guest) -> trace_check.Verdict | None:
    """Leaves it to the next scenario, or ends it: what it wrote is there, and every request had one outcome."""
    if context.leaves(guest):
        return None
    context.figures["fio_rounds"] = guest.finish()
    verdict = trace_check.check({host.name: product.trace(host, NAME, TARGET) for host in context.hosts.both})
    context.figures |= {"requests": verdict.requests, "migrations": verdict.migrations}
    expect(not verdict.problems, f"{len(verdict.problems)} requests not exactly once: {verdict.problems[:3]}")
    client = product.exports(context.hosts.a)[EXPORT]["clients"]
    expect(not client, f"expected nobody to hold export {EXPORT} after the guest's end, found {client}")
    product.remove_export(context.hosts.a, EXPORT)
    return verdict


def client(server: Host, guest: Guest) -> dict:
    """Who has the export, as the server says: this guest's disk and nobody else."""
    clients = product.exports(server)[EXPORT]["clients"]
    expect(len(clients) == 1 and clients[0]["client"] == identity(guest),
           f"expected {identity(guest)} alone to have export {EXPORT}, found {clients}")
    return clients[0]


def wait_busy(server: Host, guest: Guest) -> None:
    """Until some of its requests are at the server's device."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while client(server, guest)["running"] < BUSY:
        expect(time.monotonic() < deadline, f"expected {BUSY} requests of {guest.name} at the server's device at a time")
        time.sleep(0.2)


def identity(guest: Guest) -> str:
    return f"{guest.uuid}/{TARGET}"


def writes_done_twice(context) -> int:
    """Writes that reached the server's device more often than the mid-points sent them."""
    at_device = Counter((e["off"], e["len"]) for e in entries(context.hosts.a.output(f"cat {SERVER_TRACE}"))
                        if e["e"] == "begin" and e["op"] == "write")
    sent: Counter = Counter()
    for host in context.hosts.both:
        ranges = {}
        for e in entries(product.trace(host, NAME, TARGET)):
            if e["e"] == "take" and e["op"].startswith("write"):
                ranges[e["gen"], e["seq"]] = (e["off"], e["len"])
            elif e["e"] == "issue" and (e["gen"], e["seq"]) in ranges:
                sent[ranges[e["gen"], e["seq"]]] += 1
    return (at_device - sent).total()


class Answers:
    """What the guest was answered while the block runs, by its host's trace."""

    def __init__(self, host: Host, guest: str = NAME, target: str = TARGET):
        self.host = host
        self.path = f"{product.TRACES}/{guest}-{target}.jsonl"
        self.longest_pause_seconds = 0.0

    def __enter__(self) -> "Answers":
        self.entered = self.host.now()
        self.before = int(self.host.output(f"wc -l <{self.path}"))
        return self

    def __exit__(self, kind, *_) -> None:
        if kind:
            return
        answers = [e for e in entries(self.host.output(f"tail -n +{self.before + 1} {self.path}")) if e["e"] == "answer"]
        expect(answers, f"expected the guest on {self.host} to be answered, its trace shows no answer")
        times = [self.entered, *(e["t"] / 1e6 for e in answers)]
        self.longest_pause_seconds = round(max(later - earlier for earlier, later in zip(times, times[1:])), 2)
        errors = [e for e in answers if e["status"] != "okay"]
        expect(not errors, f"expected no error for the guest, found {len(errors)}: {errors[:3]}")
        say(f"longest time without an answer: {self.longest_pause_seconds} s")


def entries(text: str) -> list[dict]:
    """The whole lines of a trace; the last one may still be on its way."""
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
