"""Which scenarios a run with bounded time takes: `run --choose SECONDS`.

Always those of ALWAYS; then, as far as the time goes, those whose own files the newest work has changed, one of the
others, what the newest work touches, the rest of the others. Within each of these the order is drawn from the commit:
two runs of one commit take the same, and over a number of commits everything has its turn.
"""

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from .report import LabError
from .scenarios import ORDER, load

ALWAYS = ("migrate", "kill")

# The newest work: what was committed within a day before the newest commit, and what is not committed yet.
NEWEST_SECONDS = 24 * 3600
NEWEST_COMMITS = 100

# Image, boot and stop.
HOSTS_SECONDS = 240
# Boot, first round, last verification and end of a guest that scenarios share: once for those that follow one another.
GUEST_SECONDS = 60

CODE = "src/main/java/io/netchannel/"
MOVES = (CODE + "coordinator/", CODE + "daemon/", CODE + "libvirt/", CODE + "xen/")
DISKS = (CODE + "midpoint/", CODE + "vdevice/", CODE + "device/[A-Z]", CODE + "device/file/", CODE + "device/filter/")
REMOTE = (CODE + "server/", CODE + "device/remote/", CODE + "wire/", CODE + "tls/", CODE + "daemon/HostExports", CODE + "daemon/ExportSettings")
SWAPS = (CODE + "device/mirror/", CODE + "daemon/(Swap|DiskJob|Metadata)", CODE + "coordinator/(DiskJob|Job)")
USB = (CODE + "device/usb/", CODE + "vdevice/[A-Z]", CODE + "vdevice/usb/", CODE + "midpoint/usb/", CODE + "daemon/UsbPorts",
       "examples/xen-lab/usb/", "xen-hooks/guest/")
STARTS = ("xen-hooks/", CODE + "daemon/", CODE + "cli/")


@dataclass(frozen=True)
class Cost:
    seconds: int  # with the options of .ci/run, two cores and nothing else to do; without GUEST_SECONDS
    touched_by: tuple[str, ...]  # paths that begin like this, as patterns


COSTS = {
    "stock": Cost(60, ("xen-hooks/", CODE + "daemon/(Drain|StockDisks|KernelBackends)", CODE + "libvirt/")),
    "attach": Cost(80, ("xen-hooks/", CODE + "daemon/Inherited", CODE + "vdevice/", CODE + "libvirt/")),
    "migrate": Cost(150, MOVES + DISKS),
    "refuse": Cost(110, ("xen-hooks/", CODE + "coordinator/", CODE + "libvirt/")),
    "abort": Cost(80, (CODE + "coordinator/", CODE + "midpoint/")),
    "kill": Cost(190, MOVES + DISKS + STARTS),
    "hostile-time": Cost(110, (CODE + "coordinator/", CODE + "daemon/")),
    "black-hole": Cost(270, (CODE + "coordinator/", CODE + "daemon/Timer", CODE + "daemon/Host")),
    "stopped": Cost(70, (CODE + "coordinator/", CODE + "midpoint/Seal")),
    "full": Cost(130, (CODE + "coordinator/.*(Journal|FrameLog)", CODE + "midpoint/Inflight", CODE + "daemon/(DiskRecovery|ServedDisk|MidPoints)")),
    "ten-trips": Cost(150, MOVES + DISKS),
    "swap": Cost(80, SWAPS),
    "swap-kill": Cost(350, SWAPS),
    "swap-full": Cost(60, SWAPS),
    "swap-home": Cost(120, SWAPS + REMOTE),
    "follow": Cost(220, SWAPS + (CODE + "daemon/(Following|Volume)", CODE + "server/Whereabouts", CODE + "coordinator/peer/")),
    "with-storage": Cost(350, SWAPS + (CODE + "daemon/(StorageMigration|Volume)", CODE + "coordinator/(GoingCopies|IncomingTakeOver)",
                                       CODE + "libvirt/LibvirtMigration", CODE + "cli/(Migrate|GuestMove)")),
    "mirror-leg": Cost(250, (CODE + "device/legs/", CODE + "device/mirror/")),
    "usb": Cost(130, USB),
    "usb-remote": Cost(300, USB + REMOTE),
    "usb-migrate": Cost(1100, USB + REMOTE + MOVES),
    "usb-kill": Cost(1300, USB + REMOTE + MOVES),
    "auction": Cost(900, SWAPS + REMOTE),
    "remote": Cost(80, REMOTE),
    "cut": Cost(50, REMOTE),
    "server-restart": Cost(100, REMOTE),
    "fence": Cost(90, REMOTE),
    "stay-behind": Cost(120, REMOTE + (CODE + "midpoint/",)),
    "blackout": Cost(110, MOVES + (CODE + "midpoint/Seal",)),
    "handover-table": Cost(180, (CODE + "midpoint/", CODE + "coordinator/(SourceSeal|Incoming)")),
    "late-write": Cost(260, (CODE + "daemon/(Drain|StockDisks|KernelBackends|SuspendWatch)",)),
}


@dataclass(frozen=True)
class Choice:
    taken: tuple[str, ...]
    left_out: tuple[str, ...]
    seconds: int


def choose(budget_seconds: int, commit: str, changed: Iterable[str], scenarios: tuple[str, ...] = ORDER) -> Choice:
    """`commit`: any text, for the draw; `changed`: paths from the repository's root."""
    changed = set(changed)
    drawn = sorted(scenarios, key=lambda name: hashlib.sha256(f"{commit} {name}".encode()).digest())
    own = [name for name in drawn if own_file(name) in changed]
    touched = [name for name in drawn if any(re.match(pattern, path) for pattern in COSTS[name].touched_by for path in changed)]
    others = [name for name in drawn if name not in ALWAYS and name not in own and name not in touched]
    taken: list[str] = []
    for name in dict.fromkeys([*ALWAYS, *own, *others[:1], *touched, *others]):
        with_it = [each for each in scenarios if each in taken or each == name]
        if name in ALWAYS or seconds(with_it) <= budget_seconds:
            taken = with_it
    return Choice(tuple(taken), tuple(name for name in scenarios if name not in taken), seconds(taken))


def own_file(name: str) -> str:
    return f"examples/xen-lab/xenlab/scenarios/{name.replace('-', '_')}.py"


def seconds(names: list[str]) -> int:
    """What a run of these takes, in this order."""
    total, guest = HOSTS_SECONDS, ""
    for name in names:
        wanted = getattr(load(name), "LODGER", "").partition("@")[0]
        total += COSTS[name].seconds + (GUEST_SECONDS if wanted and wanted != guest else 0)
        guest = wanted
    return total


def newest_work(repository: Path) -> tuple[str, list[str]]:
    """The newest commit, and the files that it and those shortly before it have changed, and what was not committed."""
    commit, when = git(repository, "log", "-1", "--format=%H %ct").split()
    since = int(when) - NEWEST_SECONDS
    committed = git(repository, "log", f"--max-count={NEWEST_COMMITS}", f"--since={since}", "--format=", "--name-only", "-z", commit)
    pending = git(repository, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    return commit, sorted({*filter(None, re.split(r"[\0\n]", committed)), *(each[3:] for each in pending.split("\0") if each)})


def git(repository: Path, *words: str) -> str:
    try:
        # Whoever owns the checkout: it is only read.
        done = subprocess.run(["git", "-c", f"safe.directory={repository}", "-c", "core.quotePath=off", "-C", repository, *words],
                              capture_output=True, text=True)
    except FileNotFoundError:
        raise LabError("expected git, to know which commit this is; install it, or name the scenarios") from None
    if done.returncode:
        raise LabError(f"expected {repository} to be a git checkout, to know which commit this is; name the scenarios: {done.stderr.strip()}")
    return done.stdout
