"""A shared disk under a device-mapper device of the same name on both hosts, which one of them can make slow.

Slow is dm-delay: writes stay in the host's storage path for seconds, as in a path that fails over or a queue that is
full, while the other host reaches the disk at once. Reads are never held. A guest's disk is /dev/mapper/slow-vdb, and
what is done here is below its backend: the guest goes on while it changes.
"""

from .hosts import Host, Hosts
from .slots import SLOTS, STRIDE

SECTOR = 512


class SlowDisk:
    """A context: the devices are there while the block runs; no guest may use them at its end."""

    def __init__(self, hosts: Hosts, shared: str):
        self.hosts, self.shared = hosts, shared
        self.name = "slow-" + shared.rpartition("/")[2]
        self.device = f"/dev/mapper/{self.name}"

    def __enter__(self) -> "SlowDisk":
        for host in self.hosts.both:
            # What an earlier run with --keep left goes first.
            host.run(f"dmsetup remove --retry {self.name} 2>/dev/null; dmsetup create {self.name}",
                     stdin=self._plain(0, self._sectors(host)).encode())
        return self

    def __exit__(self, *_) -> None:
        for host in self.hosts.both:
            host.run(f"dmsetup remove --retry {self.name}", check=False)

    def hold_writes(self, host: Host, shortest_seconds: float, longest_seconds: float) -> None:
        """Holds writes back on this host. Each slot has a delay of its own between the two: with one for all, their
        writes would all begin and end together, and at some moments none would be held."""
        each = STRIDE // SECTOR
        lines = []
        for slot in range(SLOTS):
            millis = round(1000 * (shortest_seconds + (longest_seconds - shortest_seconds) * slot / (SLOTS - 1)))
            offset = slot * each
            lines.append(f"{offset} {each} delay {self.shared} {offset} 0 {self.shared} {offset} {millis}\n")
        self._load(host, "".join(lines) + self._plain(SLOTS * each, self._sectors(host)))

    def let_go(self, host: Host) -> None:
        """Back to a plain path; writes that are held go to the disk at once."""
        self._load(host, self._plain(0, self._sectors(host)))

    def _load(self, host: Host, table: str) -> None:
        # dm-delay lets go of all it holds when it is suspended.
        host.run(f"dmsetup reload {self.name} && dmsetup suspend --nolockfs {self.name} && dmsetup resume {self.name}",
                 stdin=table.encode())

    def _plain(self, start: int, end: int) -> str:
        return f"{start} {end - start} linear {self.shared} {start}\n"

    def _sectors(self, host: Host) -> int:
        return int(host.output(f"blockdev --getsz {self.shared}"))
