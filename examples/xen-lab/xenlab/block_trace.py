"""When the requests of each host reached the shared disks and were done: the kernels' own block trace, on one clock.

Below everything of a guest's I/O path: a write that dm-delay holds back is issued to /dev/vdb when it is let go.
"""

import re
import time
from dataclasses import dataclass

from .hosts import SHARED_DISKS, Host, Hosts

TRACING = "/sys/kernel/tracing"
EVENTS = ("block_rq_issue", "block_rq_complete")
# <task> [000] d..1. 123.456789: block_rq_complete: 254,16 WS () 16 + 8 [0]
LINE = re.compile(r"\s(\d+\.\d+): block_rq_(issue|complete): (\d+),(\d+) ([A-Z]+) (?:\d+ )?\(.*?\) (\d+) \+ \d+")
CLOCK_READINGS = 5


@dataclass(frozen=True)
class Request:
    """A request issued to a disk, or done; `at` is time.monotonic() here."""

    at: float
    event: str  # issue | complete
    device: str  # /dev/vdb
    write: bool
    sector: int


class BlockTrace:
    """A context: both hosts trace while the block runs, and can be asked afterwards."""

    def __init__(self, hosts: Hosts):
        self.hosts = hosts
        self.requests: dict[str, list[Request]] = {}  # by host's name, oldest first
        self.clock_error_seconds = 0.0  # a time may be wrong by so much

    def __enter__(self) -> "BlockTrace":
        for host in self.hosts.both:
            wanted = " || ".join(f"dev == {major << 20 | minor}" for major, minor in self._numbers(host))
            host.run(f"mountpoint -q {TRACING} || mount -t tracefs tracefs {TRACING}; cd {TRACING} && echo 0 >tracing_on "
                     f"&& echo boot >trace_clock && echo >trace && for e in {' '.join(EVENTS)}; do "
                     f"echo '{wanted}' >events/block/$e/filter && echo 1 >events/block/$e/enable || exit 1; done "
                     "&& echo 1 >tracing_on")
        return self

    def __exit__(self, failed, *_) -> None:
        for host in self.hosts.both:
            host.run(f"cd {TRACING} && echo 0 >tracing_on && echo 0 >events/block/enable", check=False)
            if not failed:
                self._read(host)

    def last_write_done(self, host: Host, device: str) -> float | None:
        return max((r.at for r in self._of(host, device, "complete") if r.write), default=None)

    def first_write_issued(self, host: Host, device: str) -> float | None:
        return min((r.at for r in self._of(host, device, "issue") if r.write), default=None)

    def done_after(self, host: Host, device: str, moment: float) -> list[Request]:
        return [r for r in self._of(host, device, "complete") if r.at > moment]

    def _of(self, host: Host, device: str, event: str) -> list[Request]:
        return [r for r in self.requests[host.name] if r.device == device and r.event == event]

    def _read(self, host: Host) -> None:
        devices = dict(zip(self._numbers(host), SHARED_DISKS))
        offset = self._offset(host)
        self.requests[host.name] = [
            Request(float(at) + offset, event, devices[int(major), int(minor)], "W" in kind, int(sector))
            for at, event, major, minor, kind, sector in LINE.findall(host.output(f"cat {TRACING}/trace"))]

    @staticmethod
    def _numbers(host: Host) -> list[tuple[int, int]]:
        names = " ".join(f"/sys/class/block/{device.rpartition('/')[2]}/dev" for device in SHARED_DISKS)
        return [tuple(int(n) for n in line.split(":")) for line in host.output(f"cat {names}").split()]

    def _offset(self, host: Host) -> float:
        """From the host's time since its boot to time.monotonic() here; of several readings the one that took least."""
        readings = []
        for _ in range(CLOCK_READINGS):
            before = time.monotonic()
            uptime = float(host.output("cat /proc/uptime").split()[0])
            after = time.monotonic()
            readings.append(((after - before) / 2, (before + after) / 2 - uptime))
        error, offset = min(readings)
        self.clock_error_seconds = max(self.clock_error_seconds, error)
        return offset
