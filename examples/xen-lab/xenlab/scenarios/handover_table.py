TITLE = "the paper's table: pending requests handed over or resubmitted, how long it takes; observed from traces"

import time
from contextlib import contextmanager

from .. import handover, product, trace_check
from ..guest import netchannel, plain
from ..handover_report import Report
from ..moments import between, entries, read_clock, watch_domains
from ..one_head import SIZE_BYTES
from ..paper import ROWS
from ..report import expect, say
from ..settings import COMMAND_SECONDS, MIGRATION_SECONDS

NAME = "vdd"
DEVICE = f"/dev/{NAME}"
TARGET = "xvdb"
HOLD = "/run/netchannel/lab-hold"  # the source's daemon waits for it to go, between the suspend and the seal
HOOK_KEPT = "/opt/lab/hook"  # as in dom0/hook-timer.c
HOOK_LOG = "/run/lab-hooks.jsonl"
TRACING = "/sys/kernel/tracing"
TRIES = 6  # for a run in which exactly so many requests were pending and incomplete
POLL_SECONDS = 0.05
PAUSE_MILLIS = 10  # in which the daemon sees that it may seal; else the disk is done before. It counts against us


def run(context):
    expect(context.options.product, "expected Netchannel in the hosts; run without --no-product")
    hosts, disk = context.hosts, context.hosts.disk
    rows = [row for row in ROWS if row.pending in context.options.table_rows]
    runs: list[handover.Run] = []
    with hooks_timed(hosts), faults(hosts, {"source.suspended": f"hold {HOLD}"}):
        ours = Lodger(context, "handover", netchannel(TARGET, DEVICE), 0)
        stock = Lodger(context, "resubmit", plain(TARGET, DEVICE), 16 << 20)
        try:
            ours.start()
            with product.hook_out(hosts.both):
                stock.start()
            for number in range(context.options.table_runs):
                for row in rows:
                    say(f"run {number + 1}: {row.pending} pending, {row.incomplete} incomplete")
                    runs += [with_netchannel(ours, row), without(stock, row)]
        finally:
            disk.keep_log(context.logs)
            context.figures["repeated"] = ours.repeated
            context.figures["runs"] = [each.figures() for each in runs]
        report = Report(runs)
        context.figures |= report.figures()
        (context.logs / "table.txt").write_text(report.text())
        (context.logs / "table.svg").write_text(report.picture())
        print(report.text(), flush=True)
        ours.end()
        with product.hook_out(hosts.both):
            stock.end()
        ours.guest.expect_nothing_left()
    verdict = trace_check.check({host.name: product.trace(host, ours.guest.name, TARGET) for host in hosts.both})
    context.figures["requests"] = verdict.requests
    expect(not verdict.problems, f"{len(verdict.problems)} requests not exactly once: {verdict.problems[:3]}")
    ratios = ", ".join(f"{row} {report.ratio(row):.1f}x" for row in rows)
    context.figures["summary"] = f"{len(runs)} migrations, pending and incomplete as set; {ratios}"


class Lodger:
    """A guest with guest/pending.c, which keeps requests outstanding when it is told to."""

    def __init__(self, context, name: str, disk, base_bytes: int):
        self.hosts, self.disk, self.base_bytes = context.hosts, context.hosts.disk, base_bytes
        self.guest = context.guest(name, disk, program=f"pending /dev/{TARGET} {base_bytes}")
        self.round = 0
        self.repeated: list[str] = []

    def start(self) -> None:
        self.guest.start(self.hosts.a)
        self.guest.wait_console(r"pending ready", COMMAND_SECONDS, "guest/pending.c to be ready")

    def submit(self, row) -> None:
        """`row` requests are outstanding afterwards; the disk holds them all."""
        self.round += 1
        self.disk.say(f"hold all {self.guest.host}")
        self.guest.type(f"echo round {self.round} {row.pending} {row.incomplete} >/run/pending")
        self.guest.wait_console(rf"pending round {self.round} outstanding {row.pending}\b", COMMAND_SECONDS, "requests outstanding")

    def answered(self) -> str:
        """Waits for what the guest says of its round: all answered, with the right data. Returns its view of the times."""
        found = self.guest.wait_console(rf"pending round {self.round} answered, (.*?)\r?\n[\s\S]*?pending round {self.round} ok",
                                        COMMAND_SECONDS, f"round {self.round} answered and verified")
        return found[1].strip()

    def domid(self, host) -> int:
        return int(host.output(f"xl domid {self.guest.name}"))

    def end(self) -> None:
        self.guest.destroy()


# ------------------------------------------------------------------------------------------------ Netchannel

def with_netchannel(ours: Lodger, row) -> handover.Run:
    for _ in range(TRIES):
        found, seen = once_with_netchannel(ours, row)
        if seen == (row.pending, row.incomplete):
            return found
        ours.repeated.append(f"wanted {row}, the seal found {seen[0]} ({seen[1]})")
        say(f"repeated: {ours.repeated[-1]}")
    expect(False, f"in {TRIES} tries the seal never found {row.pending} pending, {row.incomplete} of them incomplete: "
                  f"{ours.repeated[-TRIES:]}")


def once_with_netchannel(ours: Lodger, row) -> tuple[handover.Run | None, tuple[int, int]]:
    """And the pending and incomplete requests of the seal; no figures when these are not as set."""
    guest, disk = ours.guest, ours.disk
    source, destination = guest.host, ours.hosts.other(guest.host)
    fast = row.pending - row.incomplete
    ours.submit(row)
    before = {host: read_clock(host, disk) for host in ours.hosts.both}
    trace = f"{product.TRACES}/{guest.name}-{TARGET}.jsonl"
    # When the guest has suspended the disk does the requests that are to be complete, and their answers reach a ring
    # nobody reads. Then the seal may begin, and the disk does the others.
    actions = (f"suspended {ours.domid(source)} say 'release fast' until 'fast-done={fast} ' poke {DEVICE} "
               f"count {trace} '\"e\":\"answer\"' {fast} unlink {HOLD} pause {PAUSE_MILLIS} say 'release slow'")
    source.run(f"touch {HOLD}")
    director = source.spawn(f"moments {actions}")
    try:
        with watch_domains(destination) as watch:
            done = guest.try_to_migrate(destination)
    finally:
        source.run(f"rm -f {HOLD}", check=False)
        disk.say(f"release all {source}")
    said, _ = director.communicate(timeout=COMMAND_SECONDS)
    expect(done.returncode == 0, f"virsh migrate {source} -> {destination} failed: {done.stderr.strip()}")
    expect(director.returncode == 0, f"the requests were not released as planned: {said.strip()[-300:]}")
    guest.host = destination
    view = ours.answered()
    after = {host: read_clock(host, disk) for host in ours.hosts.both}

    left = handover.trace_entries(product.trace(source, guest.name, TARGET), before[source].at_micros)
    came = handover.trace_entries(product.trace(destination, guest.name, TARGET), before[destination].at_micros)
    seal = handover.sealed(left)
    if (seal.pending, seal.incomplete) != (row.pending, row.incomplete):
        return None, (seal.pending, seal.incomplete)
    began = handover.seal_began(product.timeline(source, guest.name), source.name)
    stage, event = handover.outcomes_there(came, seal.pending)
    clocks = {host: between(before[host], after[host], moment) for host, moment in ((source, began), (destination, stage))}
    handling, parts = handover.handled_by_netchannel(began, seal, stage, clocks[source], clocks[destination])
    last, issued = handover.last_answer(came, row.pending)
    unpaused = watch.last("runs", ours.domid(destination), last)
    moments = {e["e"]: e["t"] for e in entries(said)}
    unheld = moments["unlink"]
    found = handover.Run(
        "netchannel", row.pending, row.incomplete, handling, (last - unpaused) / 1000,
        handover.hook_millis(destination.output(f"cat {HOOK_LOG}"), guest.name, before[destination].at_micros,
                             clocks[destination].there(clocks[source].here(unheld))),
        sum(c.error_micros for c in clocks.values()) / 1000, parts,
        {"states": seal.states, "there": event, "resubmitted_to_device": issued, "held_ms": (unheld - moments["suspended"]) / 1000, "seal_after_unheld_ms": (began - unheld) / 1000,
         "guest": view})
    say(f"Netchannel: {row}: {handling:.2f} ms, guest {found.guest_view:.0f} ms")
    return found, (seal.pending, seal.incomplete)


# ------------------------------------------------------------------------------------------------ stock

def without(stock: Lodger, row) -> handover.Run:
    """The source's disk holds what it was given until the destination has done it all again."""
    guest, disk = stock.guest, stock.disk
    source, destination = guest.host, stock.hosts.other(guest.host)
    stock.submit(row)
    expect_inflight(source, row.pending)
    wanted = set(handover.offsets(stock.base_bytes, SIZE_BYTES, row.pending, row.incomplete))
    since = disk.log_size()
    try:
        with product.hook_out(stock.hosts.both), watch_domains(destination) as watch, block_trace(destination) as trace:
            migration = source.spawn(guest.migrate_command(destination))
            wait_until_done(disk, since, destination, wanted, migration)
            disk.say(f"release all {source}")  # else libvirt waits long for the source's backend
            said, _ = migration.communicate(timeout=MIGRATION_SECONDS)
    finally:
        disk.say(f"release all {source}")
    expect(migration.returncode == 0, f"virsh migrate {source} -> {destination} failed: {said.strip()}")
    guest.host = destination
    view = stock.answered()
    wait_until_idle(disk, since, source)
    events = handover.block_events(trace["text"], trace["device"], {offset // 512 for offset in wanted})
    first, last = handover.handled_by_resubmission(events, row.pending)
    unpaused = watch.last("runs", stock.domid(destination), last, "mono")
    found = handover.Run("stock", row.pending, row.incomplete, (last - first) / 1000, (last - unpaused) / 1000, 0,
                         notes={"unpause_to_first_ms": (first - unpaused) / 1000, "guest": view,
                                "at_the_disk_ms": at_the_disk(disk.log(since), destination, wanted)})
    say(f"stock: {row}: {found.handling:.2f} ms, guest {found.guest_view:.0f} ms")
    return found


def expect_inflight(host, wanted: int) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while (found := sum(int(n) for n in host.output(f"cat /sys/block/{NAME}/inflight").split())) != wanted:
        expect(time.monotonic() < deadline, f"expected {wanted} requests at the disk of {host}, its kernel counts {found}")


def wait_until_done(disk, since: int, host, wanted: set[int], migration) -> None:
    deadline = time.monotonic() + MIGRATION_SECONDS
    while True:
        log = disk.log(since)
        numbers = {e["n"]: e["off"] for e in log if e["e"] == "arrive" and e["host"] == host.name}
        done = {numbers.get(e["n"]) for e in log if e["e"] == "done" and e["host"] == host.name}
        if wanted <= done:
            return
        expect(time.monotonic() < deadline and migration.poll() in (None, 0),
               f"expected {host} to do the {len(wanted)} pending requests again; it did {len(wanted & done)}")
        time.sleep(POLL_SECONDS)


def wait_until_idle(disk, since: int, host) -> None:
    """The late answers at the source: over before the guest writes anything newer."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while waiting_there(disk.log(0), host):
        expect(time.monotonic() < deadline, f"expected the disk to finish what {host} had asked for")
        time.sleep(POLL_SECONDS)


def waiting_there(log: list[dict], host) -> int:
    events = [e["e"] for e in log if e["host"] == host.name]
    return events.count("arrive") - events.count("done")


def at_the_disk(log: list[dict], host, wanted: set[int]) -> float:
    """The same time as the disk itself saw it."""
    arrived = {e["n"]: e["t"] for e in log if e["e"] == "arrive" and e["host"] == host.name and e["off"] in wanted}
    first = dict(sorted(arrived.items())[:len(wanted)])
    done = [e["t"] for e in log if e["e"] == "done" and e["n"] in first]
    return (max(done) - min(first.values())) / 1000


@contextmanager
def block_trace(host):
    """The kernel's trace of requests to the disk, on the clock `moments` calls mono."""
    major, minor = (int(n) for n in host.output(f"cat /sys/block/{NAME}/dev").split(":"))
    events = "block/block_bio_queue block/block_rq_complete"
    host.run(f"mountpoint -q {TRACING} || mount -t tracefs tracefs {TRACING}; cd {TRACING} && echo mono >trace_clock && echo >trace "
             f"&& for e in {events}; do echo 'dev == {major << 20 | minor}' >events/$e/filter && echo 1 >events/$e/enable || exit 1; done && echo 1 >tracing_on")
    found = {"device": f"{major},{minor}", "text": ""}
    try:
        yield found
    finally:
        host.run(f"cd {TRACING} && echo 0 >tracing_on && echo 0 >events/block/enable", check=False)
        found["text"] = host.output(f"cat {TRACING}/trace")


# ------------------------------------------------------------------------------------------------ the hosts

@contextmanager
def hooks_timed(hosts):
    """dom0/hook-timer.c in the hook's place runs it and says how long it took."""
    for host in hosts.both:
        host.run(f"[ -e {HOOK_KEPT} ] || cp -p {product.HOOK} {HOOK_KEPT}; rm -f {HOOK_LOG}; "
                 f"install -m 755 /usr/local/sbin/hook-timer {product.HOOK}")
    try:
        yield
    finally:
        for host in hosts.both:
            host.run(f"mv {HOOK_KEPT} {product.HOOK}")


@contextmanager
def faults(hosts, wanted: dict[str, str]):
    for host in hosts.both:
        product.set_faults(host, wanted)
    try:
        yield
    finally:
        for host in hosts.both:
            product.set_faults(host, {})
