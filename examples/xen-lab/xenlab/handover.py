"""What one migration with pending requests took, from the traces: how they were handled, and what the guest saw.

Netchannel: from the beginning of the seal at the source until every outcome is at the destination's mid-point.
Stock: from the first resubmitted request reaching the destination's kernel backend (its bio) until the last is done.
Both in dom0's time; between the two hosts the difference of their clocks is measured and taken out.
"""

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime

from .moments import Clock
from .report import expect

BLOCK_BYTES, STRIDE_BYTES, MOST = 4096, 128 << 10, 32  # as in guest/pending.c

# <task> [000] d..1. 123.456789: block_bio_queue: 254,48 R 2048 + 8 [kworker]
BIO = re.compile(r"\s(\d+)\.(\d{6}): (block_bio_queue|block_rq_complete): (\d+,\d+) ([A-Z]+) (?:\(.*?\) )?(\d+) \+ (\d+)")


@dataclass
class Run:
    """One migration. Times in milliseconds."""

    system: str  # netchannel, stock
    pending: int
    incomplete: int
    handling: float
    unpause_to_last: float  # the guest may run -> its last pending request is answered
    hook: float  # our hook held the resume for so long
    clock_error: float = 0  # `handling` may be wrong by so much
    parts: dict = field(default_factory=dict)  # of `handling`
    notes: dict = field(default_factory=dict)

    @property
    def guest_view(self) -> float:
        return self.unpause_to_last + self.hook

    def figures(self) -> dict:
        return asdict(self) | {"guest_view": round(self.guest_view, 3)}


@dataclass
class Sealed:
    """What the source's mid-point says of its seal."""

    pending: int
    incomplete: int
    done_at: int  # micros, the source's clock
    states: dict  # of the requests handed over


def trace_entries(text: str, since_micros: float) -> list[dict]:
    found = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
    return [entry for entry in found if entry["t"] >= since_micros]


def sealed(source_trace: list[dict]) -> Sealed:
    seals = [e for e in source_trace if e["e"] == "seal"]
    expect(len(seals) == 1, f"expected one seal in the source's trace, found {len(seals)}")
    states: dict[str, int] = {}
    for entry in source_trace:
        if entry["e"] == "hand":
            states[entry["state"]] = states.get(entry["state"], 0) + 1
    return Sealed(seals[0]["pending"], seals[0]["incomplete"], seals[0]["t"], states)


def seal_began(timeline: list[dict], source: str) -> int:
    """Micros of the source's clock, from its daemon's timeline."""
    found = [step["time"] for step in timeline
             if step["host"] == source and any(str(step.get(k, "")).startswith("seal begins") for k in ("event", "detail"))]
    expect(found, f"expected 'seal begins' of {source} in the timeline: {timeline}")
    return micros_of(found[-1])


def micros_of(instant: str) -> int:
    whole, _, fraction = instant.rstrip("Z").partition(".")
    seconds = round(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def outcomes_there(destination_trace: list[dict], pending: int) -> tuple[int, str]:
    """Micros when every outcome is at the destination's mid-point, and the event that says so: `stage`, of a seal while memory
    is still copied, or the last `adopt`, of one that hook `started` asked for."""
    for entry in destination_trace:
        if entry["e"] == "stage" and entry["pending"] == pending:
            return entry["t"], "stage"
    adopted = [e["t"] for e in destination_trace if e["e"] == "adopt"]
    expect(len(adopted) == pending, f"expected {pending} requests staged or adopted in the destination's trace, found {len(adopted)}")
    return max(adopted), "adopt"


def last_answer(destination_trace: list[dict], pending: int) -> tuple[int, int]:
    """The guest resubmits what it had pending before anything else. Micros of the last answer to these, and how many
    of them went to the device."""
    takes = [(e["gen"], e["seq"]) for e in destination_trace if e["e"] == "take"][:pending]
    expect(len(takes) == pending, f"expected the guest to resubmit {pending} requests, {len(takes)} in the trace")
    answers = {(e["gen"], e["seq"]): e["t"] for e in destination_trace if e["e"] == "answer"}
    expect(all(take in answers for take in takes), "not every resubmitted request is answered in the trace")
    issued = sum((e.get("gen"), e.get("seq")) in takes for e in destination_trace if e["e"] == "issue")
    return max(answers[take] for take in takes), issued


def handled_by_netchannel(began: int, seal: Sealed, stage: int, source: Clock, destination: Clock) -> tuple[float, dict]:
    """Milliseconds, and what they went into."""
    begin, done, there = source.here(began), source.here(seal.done_at), destination.here(stage)
    return (there - begin) / 1000, {"seal": (done - begin) / 1000, "hand_over": (there - done) / 1000}


@dataclass(frozen=True)
class BlockEvent:
    at: int  # micros of dom0's monotonic clock
    event: str
    sector: int


def block_events(text: str, device: str, sectors: set[int]) -> list[BlockEvent]:
    """Of a kernel's trace, those of a device, "254,48", that begin at one of these sectors."""
    return [BlockEvent(int(seconds) * 1_000_000 + int(micros), event, int(sector))
            for seconds, micros, event, numbers, _, sector, _ in BIO.findall(text)
            if numbers == device and int(sector) in sectors]


def handled_by_resubmission(events: list[BlockEvent], pending: int) -> tuple[int, int]:
    """Micros of the first bio and of the last completion, of the first `pending` ones: the guest goes on only after these."""
    queued = [e for e in events if e.event == "block_bio_queue"][:pending]
    done = [e for e in events if e.event == "block_rq_complete"][:pending]
    expect(len(queued) == len(done) == pending and {e.sector for e in queued} == {e.sector for e in done},
           f"expected {pending} resubmitted requests in the destination's block trace, found {len(queued)} and {len(done)} done")
    return queued[0].at, max(e.at for e in done)


def offsets(base_bytes: int, disk_bytes: int, pending: int, incomplete: int) -> list[int]:
    """Where the requests of a round go: guest/pending.c."""
    return [(disk_bytes // 2 if k < incomplete else 0) + base_bytes + k * STRIDE_BYTES for k in range(pending)]


def hook_millis(hooks: str, domain: str, since_micros: float, unheld_micros: float) -> float:
    """What the calls of hook `started` took, that libvirt waits for before it lets the guest run (dom0/hook-timer.c). Not
    counted is what a call waited for the lab's own hold of the seal, which ended at `unheld_micros` of the same clock."""
    calls = [json.loads(line) for line in hooks.splitlines() if line.startswith("{")]
    found = [max(0, c["end"] - max(c["t"], unheld_micros)) / 1000 for c in calls
             if c["domain"] == domain and c["operation"] == "started" and c["t"] >= since_micros]
    expect(found, f"expected a call of hook `started` for {domain}, found {calls[-5:]}")
    return sum(found)
