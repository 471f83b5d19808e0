"""dom0/moments.c seen from here: when domains suspend and run, and how far a host's clock is from this machine's."""

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field

from .hosts import Host
from .one_head import OneHead
from .report import expect
from .settings import COMMAND_SECONDS

CLOCK_NOTES = 30


@dataclass(frozen=True)
class Clock:
    """A host's clock: add `offset_micros` to its time for this machine's, which is the disk's; wrong by `error_micros` at most."""

    offset_micros: float
    error_micros: float
    at_micros: int  # the host's time when that was seen

    def here(self, host_micros: float) -> float:
        return host_micros + self.offset_micros

    def there(self, micros: float) -> float:
        """The host's time for one of this machine."""
        return micros - self.offset_micros


def read_clock(host: Host, disk: OneHead) -> Clock:
    """A note from dom0 to the disk, which logs its own time: of several the one that took least."""
    since = disk.log_size()
    notes = " ".join(f"say 'note clock {k}'" for k in range(CLOCK_NOTES))
    said = entries(host.output(f"moments {notes}"))
    return best_clock(said, [e for e in disk.log(since) if e["e"] == "say" and e["host"] == host.name])


def best_clock(said: list[dict], heard: list[dict]) -> Clock:
    by_text = {e["text"]: e["t"] for e in heard}
    found = [Clock(by_text[e["text"]] - (e["before"] + e["t"]) / 2, (e["t"] - e["before"]) / 2, e["t"])
             for e in said if e["e"] == "said" and e["text"] in by_text]
    expect(found, f"expected the disk to log notes from dom0, it has {len(heard)} for {len(said)} said")
    return min(found, key=lambda clock: clock.error_micros)


def between(before: Clock, after: Clock, moment: float) -> Clock:
    """The clock at a moment between two readings: a drift is shared out evenly."""
    span = after.at_micros - before.at_micros
    share = min(1.0, max(0.0, (moment - before.at_micros) / span)) if span > 0 else 0.0
    return Clock(before.offset_micros + share * (after.offset_micros - before.offset_micros),
                 max(before.error_micros, after.error_micros), round(moment))


@dataclass
class DomainWatch:
    """Changes of the domains of a host: entries of e "runs", "paused", "suspended", "shutdown", "dying", "gone"."""

    host: Host
    entries: list[dict] = field(default_factory=list)

    def last(self, state: str, domid: int, until_micros: float, clock: str = "t") -> int:
        found = [e[clock] for e in self.entries
                 if e["e"] == state and e["domain"] == str(domid) and e[clock] <= until_micros]
        expect(found, f"expected domain {domid} on {self.host} to be seen as '{state}', seen: {self.entries[-10:]}")
        return max(found)


@contextmanager
def watch_domains(host: Host):
    flag = f"/run/lab-watch-{host}"
    host.run(f"touch {flag}")
    process = host.spawn(f"moments watch {flag}")
    seen = DomainWatch(host)
    try:
        yield seen
    finally:
        host.run(f"rm -f {flag}")
        try:
            seen.entries += entries(process.communicate(timeout=COMMAND_SECONDS)[0])
        except subprocess.TimeoutExpired:
            process.kill()


def entries(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
