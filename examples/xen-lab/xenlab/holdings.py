"""What a host holds for its guests, to see whether it grows with the number of migrations."""

from dataclasses import dataclass, fields

from .hosts import Host
from .report import expect

# /var/lib/netchannel keeps the last 100 migrations that are over, some 2 KiB each, until its journal is compacted.
JOURNAL_BYTES_A_TRIP = 8 << 10
# A heap that nobody collects in between grows by what a migration makes; what it may become is bounded by the launcher.
RESIDENT_KIB, RESIDENT_KIB_A_TRIP = 16 << 10, 2 << 10
# Pools keep threads, and connections, for a while after they were busy. Those of a file: device ("io-7 /dev/vdb") are up to 16
# while its guest is: how many there are tells what the guest does, and they are not counted.
THREADS, DESCRIPTORS = 4, 4

SCRIPT = r"""
daemon=$(systemctl show -P MainPID netchanneld)
echo threads $(cat /proc/$daemon/task/*/comm | grep -vcE '^io-[0-9]+ ')
echo descriptors $(ls /proc/$daemon/fd | wc -l)
echo resident_kib $(awk '/^VmRSS:/ { print $2 }' /proc/$daemon/status)
echo mapped_grants $(grep -c /dev/xen/gntdev /proc/$daemon/maps)
echo event_ports $(/usr/lib/xen-*/bin/lsevtchn 0 | wc -l)
echo store_nodes $(xenstore-ls -f / | wc -l)
echo journal_bytes $(du -sb /var/lib/netchannel/journal | cut -f 1)
echo inflight_files $(ls /run/netchannel/inflight | wc -l)
xl dmesg -c >/dev/null; xl debug-keys g
echo grants $(xl dmesg | grep -cE '^(\(XEN\) )?\[0x[0-9a-f]+\]')
"""


@dataclass(frozen=True)
class Holdings:
    """Counts, but for what its name gives a unit. Threads are netchanneld's without those of its files; grants those of all domains that
    are in use, as Xen says."""

    threads: int
    descriptors: int
    resident_kib: int
    mapped_grants: int
    event_ports: int
    store_nodes: int
    journal_bytes: int
    inflight_files: int
    grants: int

    def since(self, before: "Holdings") -> str:
        """What differs."""
        found = [f"{f.name} {getattr(self, f.name) - getattr(before, f.name):+d}" for f in fields(self)
                 if getattr(self, f.name) != getattr(before, f.name)]
        return ", ".join(found) or "nothing"


def parse(text: str) -> Holdings:
    found = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
    names = {f.name for f in fields(Holdings)}
    expect(found.keys() == names and all(value.isdigit() for value in found.values()),
           f"expected a number for each of {', '.join(sorted(names))}, found: {text}")
    return Holdings(**{name: int(value) for name, value in found.items()})


def holdings(host: Host) -> Holdings:
    return parse(host.output(SCRIPT))


def grown(host: str, before: Holdings, after: Holdings, trips: int) -> list[str]:
    """What has grown by more than it may in so many migrations; nothing that is not named here may grow at all."""
    allowed = {"threads": THREADS, "descriptors": DESCRIPTORS, "journal_bytes": JOURNAL_BYTES_A_TRIP * trips,
               "resident_kib": RESIDENT_KIB + RESIDENT_KIB_A_TRIP * trips}
    problems = []
    for each in fields(Holdings):
        was, now, most = getattr(before, each.name), getattr(after, each.name), allowed.get(each.name, 0)
        if now - was > most:
            problems.append(f"{host}: {each.name} has grown from {was} to {now}, expected {was + most} at most")
    return problems
