"""What is measured, and which numbers of it are goals."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    size_mib: int
    iops: int  # of the load; 0 for as many as there can be, -1 for none
    depth: int = 4
    before_seconds: int = 4  # of load before the exchange begins
    after_seconds: int = 3
    write_millis: int = 0  # of the target, which is in memory then
    flush_millis: int = 0
    ways: tuple[str, ...] = ("netchannel", "qemu-write-blocking", "qemu-background", "qemu-small-buffer")

    @property
    def slow(self) -> bool:
        return self.write_millis > 0 or self.flush_millis > 0


ROWS = (
    Row("steady", "half of the disk has data, 800 writes of 4 KiB a second", 256, 800),
    Row("no-load", "half of the disk has data, nobody asks", 256, -1),
    Row("overload", "as many writes of 4 KiB as there can be", 128, 0),
    Row("slow-target", "the target takes 20 ms for a write; 400 writes a second", 64, 400, write_millis=20),
    Row("slow-flush", "the target takes 500 ms for a flush; 400 writes a second", 64, 400, flush_millis=500),
)


@dataclass
class Sample:
    """Of one exchange. Milliseconds and MiB; None where there is nothing to tell."""
    ended: bool
    copy_seconds: float | None = None
    copy_mib_per_second: float | None = None
    before_p50: float | None = None
    before_p999: float | None = None
    copy_p50: float | None = None
    copy_p99: float | None = None
    copy_longest: float | None = None
    pivot_longest: float | None = None
    source_allocated: float | None = None
    target_allocated: float | None = None
    resident_mib: float | None = None


def goals(medians: dict[str, dict[str, Sample]], nbdcopy: float | None) -> list[dict]:
    """From the medians of each row and way."""
    found: list[dict] = []

    def goal(name: str, wanted: str, value: float | None, met: bool) -> None:
        found.append({"name": name, "goal": wanted, "found": None if value is None else round(value, 3), "met": met})

    def ratio(a: float | None, b: float | None) -> float | None:
        return a / b if a is not None and b else None

    def most(name: str, limit: float, value: float | None) -> None:
        goal(name, f"at most {limit}", value, value is not None and value <= limit)

    def least(name: str, limit: float, value: float | None) -> None:
        goal(name, f"at least {limit}", value, value is not None and value >= limit)

    steady = medians.get("steady", {})
    if steady.keys() >= {"netchannel", "qemu-write-blocking", "qemu-small-buffer"}:
        ours, theirs, best = steady["netchannel"], steady["qemu-write-blocking"], steady["qemu-small-buffer"]
        least("steady: copy rate over QEMU's write-blocking", 0.9, ratio(ours.copy_mib_per_second, theirs.copy_mib_per_second))
        most("steady: the guest's p99 over QEMU's write-blocking", 0.2, ratio(ours.copy_p99, theirs.copy_p99))
        most("steady: the guest's p99 over QEMU's best buffer", 1.2, ratio(ours.copy_p99, best.copy_p99))
        most("steady: what the target takes over what the source takes", 1.12, ratio(ours.target_allocated, ours.source_allocated))
    if "netchannel" in medians.get("no-load", {}):
        least("no load: copy rate over nbdcopy", 1.0, ratio(medians["no-load"]["netchannel"].copy_mib_per_second, nbdcopy))
    if "netchannel" in medians.get("slow-flush", {}):
        ours = medians["slow-flush"]["netchannel"]
        known = ours.pivot_longest is not None and ours.before_p999 is not None
        most("slow flush: longest write at the pivot, above p99.9 before (ms)", 5,
             ours.pivot_longest - ours.before_p999 if known else None)
    if "netchannel" in medians.get("slow-target", {}):
        ours = medians["slow-target"]["netchannel"]
        most("slow target: the guest's p50 while copying over its base", 2, ratio(ours.copy_p50, ours.before_p50))
    if "netchannel" in medians.get("overload", {}):
        ended = medians["overload"]["netchannel"].ended
        goal("overload: ends", "yes", 1.0 if ended else 0.0, ended)
    return found
