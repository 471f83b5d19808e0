"""Paths, sizes and bounds of the lab. Everything a user may change is in `Options`."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from .paper import ROWS

LAB = Path(__file__).resolve().parent.parent  # examples/xen-lab
REPO = LAB.parent.parent
TARGET = REPO / "target" / "xen-lab"
IMAGE = TARGET / "image"  # what image.py builds, kept between runs
RUN = TARGET / "run"  # overlays, shared disks, consoles, pids of the running hosts
JAR = REPO / "target" / "netchannel.jar"
INSTALLER = REPO / "xen-hooks" / "install"

MIB = 1 << 20

# QEMU. TCG runs anywhere; `max` as CPU crashes dom0, so name one with nested paging for PVH guests.
ACCEL = os.environ.get("LAB_ACCEL", "tcg,thread=multi")
CPU = os.environ.get("LAB_CPU", "qemu64,+svm,+npt")
HOST_MEMORY_MIB = int(os.environ.get("LAB_HOST_MEMORY_MIB", "3072"))
DOM0_MEMORY_MIB = int(os.environ.get("LAB_DOM0_MEMORY_MIB", "2048"))
IMAGE_SIZE = "3G"  # sparse

# Bounds of every wait, in seconds. Generous: emulation on two shared cores is slow, and a bound that
# passes is a failed scenario. LAB_PATIENCE=2 doubles them all on a slower machine.
PATIENCE = float(os.environ.get("LAB_PATIENCE", "1"))
BOOT_SECONDS = 600 * PATIENCE
COMMAND_SECONDS = 120 * PATIENCE
MIGRATION_SECONDS = 300 * PATIENCE
GUEST_BOOT_SECONDS = 240 * PATIENCE
ROUND_SECONDS = 180 * PATIENCE
DAEMON_START_SECONDS = 300 * PATIENCE
LEFTOVERS_SECONDS = 90 * PATIENCE


@dataclass
class Options:
    """What the command line of `run` can change; each scenario reads what concerns it."""

    keep: bool = False  # leave the hosts running at the end
    product: bool = True  # False: stock hosts without Netchannel, for comparison
    fio_job: Path = field(default_factory=lambda: LAB / "guest" / "workload.fio")
    round_bytes: int = 1 * MIB  # what fio writes and verifies in one round, per disk
    slots: int = 4  # places on a disk the rounds go through in turn
    disk_bytes: int = 256 * MIB
    # In front of file: devices in the scenarios that migrate. Slower than a starved guest's way from frozen tasks to
    # suspended, which takes seconds on an emulated host, so that it has requests in flight then.
    # The jitter spreads them: writes that end together might all end in between.
    disk_filter: str = "delay:write=4s,jitter=4s"
    guest_memory_mib: int = 128
    round_trips: int = 2  # scenario migrate
    blackout_migrations: int = 4  # scenario blackout: with Netchannel, and as many without
    table_runs: int = 3  # scenario handover-table: migrations of each row with Netchannel, and as many without
    table_rows: tuple[int, ...] = tuple(row.pending for row in ROWS)  # scenario handover-table, by their pending requests
    abort_point: str = "destination.sealed"  # scenario abort
    kill_point: str = "destination.sealed"  # scenario kill, destination daemon
    kill_after_seconds: float = 3  # scenario kill, source daemon: so long after pre-copy began
    kills: int = 3  # scenario kill: of a guest with a quick disk, to measure when it is answered again
    old_jar: Path | None = None  # scenario kill: this one's daemon is killed as often
    trips: int = 10  # scenario ten-trips
    late_write_runs: int = 5  # scenario late-write: migrations without the hook, and as many with it
