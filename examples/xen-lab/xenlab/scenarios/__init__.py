"""One file per scenario: `TITLE` for --list, `run(context)` which returns or raises Failure."""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from ..guest import Disk, Guest
from ..hosts import Hosts
from ..settings import Options

ORDER = ("stock", "attach", "migrate", "refuse", "abort", "kill", "blackout", "handover-table", "late-write")


@dataclass
class Context:
    hosts: Hosts
    options: Options
    logs: Path  # target/xen-lab/<scenario>
    guests: list[Guest] = field(default_factory=list)
    figures: dict = field(default_factory=dict)

    def guest(self, name: str, *disks: Disk, program: str = "") -> Guest:
        guest = Guest(name, self.hosts, self.options, list(disks), program)
        self.guests.append(guest)
        return guest


def load(name: str):
    return import_module(f"{__name__}.{name.replace('-', '_')}")
