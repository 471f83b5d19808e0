"""One file per scenario: `TITLE` for --list, `run(context)` which returns or raises Failure.

Scenarios that follow one another may share a guest, which saves its boot and its end: one that has `LODGER` = "NAME"
or "NAME@HOST" goes on with a guest of that name (on that host) if the one before has left it. One that has `USB` = True needs hosts
that have a USB controller.
"""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from ..guest import Disk, Guest, Machine
from ..hosts import Host, Hosts
from ..settings import Options

ORDER = ("stock", "attach", "migrate", "refuse", "abort", "kill", "hostile-time", "black-hole", "stopped", "full", "ten-trips",
         "swap", "swap-kill", "swap-full", "remote", "cut", "server-restart", "fence", "stay-behind", "swap-home", "follow",
         "with-storage", "mirror-leg", "usb", "usb-remote", "usb-migrate", "usb-kill", "auction", "blackout", "handover-table", "late-write")


@dataclass
class Context:
    hosts: Hosts
    options: Options
    logs: Path  # target/xen-lab/<scenario>
    guests: list[Guest] = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    left: Guest | None = None  # by the scenario before; then by this one
    wanted: str = ""  # LODGER of the scenario after this one

    def guest(self, name: str, *disks: Disk, program: str = "", machine: Machine | None = None, usb: dict[int, str] | None = None) -> Guest:
        guest = Guest(name, self.hosts, self.options, list(disks), program, machine, usb)
        self.guests.append(guest)
        return guest

    def lodger(self, name: str, host: Host | None = None) -> Guest | None:
        """The guest that the scenario before has left, if it is this one, and where it should be."""
        guest, self.left = self.left, None
        if guest and (guest.name != name or host not in (None, guest.host)):
            guest.destroy()
            return None
        if guest:
            self.guests.append(guest)
        return guest

    def leaves(self, guest: Guest) -> bool:
        """At the end of a scenario: whether the next one goes on with its guest."""
        if self.wanted not in (guest.name, f"{guest.name}@{guest.host}"):
            return False
        self.left = guest
        return True


def load(name: str):
    return import_module(f"{__name__}.{name.replace('-', '_')}")
