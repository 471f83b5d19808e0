TITLE = "a database's guest moves, its disk is swapped under load, the old one is lost: no client notices, every bid is there once"

import subprocess
import time
from dataclasses import asdict

from .. import auction_report, database, product, swapping, trace_check
from ..auction_report import Course
from ..bidding import ANSWER_SECONDS, Load
from ..bookkeeping import Audit, audit
from ..guest import Disk, Guest, Machine, netchannel
from ..hosts import DATABASE, SHARED_DISKS
from ..report import expect, say
from ..settings import COMMAND_SECONDS, GUEST_BOOT_SECONDS, MIGRATION_SECONDS

# The paper's experiment (VEE 2008) with RUBiS: the guest first, its disk afterwards.
NAME = EXPORT = "auction"
TARGET = swapping.TARGET
HOME, NEW = swapping.DISKS  # hosta's, which is lost in the end, and hostb's
MACHINE = Machine(memory_mib=256, archive="database.cpio", mac="00:16:3e:77:00:09")
# How long the clients are at work: before they count; at hosta alone; between migration and swap; in sync; after the switch;
# without the old host; and of a guest that is born at hostb and stays.
WARM_UP, ALONE, BETWEEN, IN_SYNC, AFTER, WITHOUT_OLD_HOST, BORN_THERE = 20, 60, 30, 20, 60, 30, 120
# Under load both take longer than elsewhere.
PATIENT_MIGRATION_SECONDS, PATIENT_SWAP_SECONDS = 2 * MIGRATION_SECONDS, 3 * swapping.SWAP_SECONDS
LOOK_SECONDS = 5  # at the job: each look takes time from the guest's CPU


def run(context):
    a, b = context.hosts.both
    born_there = stay_at(context, b)
    product.remove_export(a, EXPORT)
    swapping.noise(NEW)  # what is found there in the end was copied
    a.run(f"netchannel export {EXPORT} {HOME} --allow hosta,hostb")
    guest = begin(context, a, Disk(TARGET, HOME, f"netchannel://{a}/{EXPORT}"))
    load, course = Load(lambda: connect(context)), Course(time.monotonic())
    try:
        with context.hosts.fair_share(), load:
            job = move(context, guest, load, course)
        say(f"{len(load.interactions)} interactions, {len(load.written)} of them wrote")
        books, complaints = look_back(context, guest, load)
    finally:
        # Also of what has failed, up to there.
        course.interactions, course.end = load.interactions, course.end or time.monotonic()
        context.figures["marks"] = course.marks_since_begin()
        (context.logs / "auction.svg").write_text(auction_report.picture(course, born_there))
        (context.logs / "interactions.csv").write_text(course.csv())
        product.start(a)
    verdict = trace_check.check({host.name: product.trace(host, NAME, TARGET) for host in (a, b)})
    none = {"client errors": len(load.errors), "reconnects": load.reconnects, "requests not exactly once": len(verdict.problems)} | complaints
    goals = auction_report.goals(course, born_there, books, none)
    context.figures |= auction_report.figures(course, born_there) | {
        "goals": [goal.figures() for goal in goals], "job": job, "books": asdict(books), "client_errors": load.errors,
        "requests": verdict.requests, "migrations": verdict.migrations, "trace_problems": verdict.problems[:20]}
    missed = [str(goal) for goal in goals if not goal.met]
    expect(not missed, "; ".join(missed))
    in_swap, after = (goal.found for goal in goals[-2:])
    context.figures["summary"] = (f"{len(course.interactions)} interactions, {books.written} writes each once; rate in the swap {in_swap} of "
                                  f"that before, after it {after} of a guest born at hostb")
    product.remove_export(a, EXPORT)


# ------------------------------------------------------------------------------------------------ the guests

def begin(context, host, disk: Disk) -> Guest:
    """Its database is ready, and has read all its tables once: from then on they are in its memory."""
    database.make_disk(SHARED_DISKS[disk.device])
    address, _ = DATABASE
    guest = context.guest(NAME, disk, program=f"database {TARGET} {address}/24", machine=MACHINE)
    guest.start(host, keep_disks=True)
    wait_database(guest, 1)
    with connect(context) as connection:
        found = audit(connection, [])
    expect(found == Audit(), f"expected a database without a fault to begin with, found {found}")
    return guest


def wait_database(guest: Guest, times: int) -> None:
    """Until it was ready so many times."""
    guest.wait_console(rf"(?s)(ready for connections.*?){{{times}}}", GUEST_BOOT_SECONDS, "the database to be ready")


def connect(context) -> database.Connection:
    return database.Connection(host="127.0.0.1", port=context.hosts.ports["database"], database=database.NAME,
                               connect_timeout=COMMAND_SECONDS, read_timeout=ANSWER_SECONDS, write_timeout=ANSWER_SECONDS)


def stay_at(context, host) -> Course:
    """A guest with a disk of this host's, for comparison."""
    guest = begin(context, host, netchannel(TARGET, NEW))
    with context.hosts.fair_share(), Load(lambda: connect(context)) as load:
        go_on(guest, load, WARM_UP)
        begun = time.monotonic()
        go_on(guest, load, BORN_THERE)
        ended = time.monotonic()
    expect(not load.errors, f"expected no error for the clients of a guest that stays, found {load.errors}")
    guest.destroy()
    guest.expect_nothing_left()
    context.guests.remove(guest)
    return Course(begun, ended, load.interactions)


def move(context, guest: Guest, load: Load, course: Course) -> dict:
    """From hosta to hostb, the disk afterwards, and then there is no way back. Notes when; returns the job."""
    a, b = context.hosts.both

    def mark(name: str) -> None:
        course.marks[name] = time.monotonic()

    go_on(guest, load, WARM_UP)
    course.begin = time.monotonic()
    go_on(guest, load, ALONE)
    mark("migrate")
    guest.move(b, PATIENT_MIGRATION_SECONDS)
    mark("migrated")
    go_on(guest, load, BETWEEN)
    swapping.begin_swap(guest, NEW, pivot="manual")
    mark("swap")
    swapping.wait_job(guest, "sync", seconds=PATIENT_SWAP_SECONDS, look_seconds=LOOK_SECONDS)
    mark("sync")
    go_on(guest, load, IN_SYNC)
    swapping.tell(guest, "pivot")
    job = swapping.wait_job(guest, "done", look_seconds=LOOK_SECONDS)
    course.marks["switched"] = course.marks["swap"] + job["switchedAfterMillis"] / 1000
    swapping.has_now(guest, NEW)
    go_on(guest, load, AFTER)
    mark("gone")
    swapping.noise(HOME)
    product.stop(a)
    go_on(guest, load, WITHOUT_OLD_HOST)
    course.end = time.monotonic()
    return job


def go_on(guest: Guest, load: Load, seconds: float) -> None:
    """The clients are at work for so long; their first error, or a complaint of the guest, ends it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        expect(not load.errors, f"expected no error for the clients, found {load.errors}")
        guest.complain(guest.said())
        time.sleep(1)


# ------------------------------------------------------------------------------------------------ afterwards

def look_back(context, guest: Guest, load: Load) -> tuple[Audit, dict[str, int]]:
    """The database is killed, recovers from the new disk, and tells all it has; then the guest ends, and the disk is looked at from
    outside. Returns what was found, and the complaints of the database and of the file system, counted."""
    guest.type("killall -KILL mariadbd")
    wait_database(guest, 2)
    with connect(context) as connection:
        books = audit(connection, load.written)
    guest.type("touch /run/stop; killall mariadbd")
    guest.wait_console("database over", COMMAND_SECONDS, "the database to end")
    said = guest.console()
    guest.complain(said)
    guest.expect_only_on(guest.host)
    guest.destroy()
    guest.expect_nothing_left()
    fsck = subprocess.run(["e2fsck", "-f", "-n", SHARED_DISKS[NEW]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    (context.logs / "e2fsck.txt").write_text(fsck.stdout)
    return books, {"errors that the database has logged": said.count("[ERROR]"), "complaints of e2fsck": int(fsck.returncode != 0)}

