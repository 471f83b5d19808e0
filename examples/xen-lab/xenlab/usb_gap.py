"""What a migration costs a guest's USB devices: the time without a URB, from the mid-points' traces and the timeline of both hosts.

    last answer   guest suspended   sealed     taken over     the guest may run      first URB
    ----|----------------|------------|------------|------------------|------------------|---->
        | guest freezes  |    seal    | hand-over  | libxl and libvirt| frontend's window|

All in the time of the source's dom0; what the other one says has its clock's difference taken out by the daemon itself. Of several ports
a part ends with the last one.
"""

from dataclasses import dataclass

from .handover import micros_of, trace_entries
from .report import expect

PARTS = ("freeze", "seal", "hand_over", "libxl", "window")


@dataclass(frozen=True)
class Gap:
    """Of one migration. Milliseconds."""

    freeze: float
    seal: float
    hand_over: float
    libxl: float
    window: float
    by_port: dict[str, float]  # from its last answer to its first URB

    @property
    def ours(self) -> float:
        return self.seal + self.hand_over

    def figures(self) -> dict:
        return {part: round(getattr(self, part), 1) for part in PARTS} | {
            "ours": round(self.ours, 1), "gap": round(max(self.by_port.values()), 1),
            "by_port": {port: round(gap, 1) for port, gap in self.by_port.items()}}


def measure(migration: dict, traces: dict[str, str]) -> Gap:
    """`migration`: as the source's daemon tells of it; `traces`: the source's, of each port."""
    timeline = migration["timeline"]
    source = said(timeline, "guest suspended")[0]["host"]
    suspended = micros_of(said(timeline, "guest suspended")[0]["time"])
    runs = micros_of(said(timeline, "hook answered")[0]["time"])
    sealed, answered = {}, {}
    for port, text in traces.items():
        entries = trace_entries(text, 0)
        seals = [entry["t"] for entry in entries if entry["e"] == "seal"]
        expect(seals, f"expected a seal in the trace of {port} at {source}")
        sealed[port] = seals[-1]
        # A port whose device has nothing to do may never have answered.
        answered[port] = max((entry["t"] for entry in entries if entry["e"] == "answer" and entry["t"] <= seals[-1]), default=suspended)
    there = max(micros_of(said(timeline, f"{port} taken over")[-1]["time"]) for port in traces)
    first = {port: micros_of(said(timeline, f"{port} first request")[-1]["time"]) for port in traces}
    return Gap(freeze=(suspended - min(answered.values())) / 1000, seal=(max(sealed.values()) - suspended) / 1000,
               hand_over=(there - max(sealed.values())) / 1000, libxl=(runs - there) / 1000, window=(max(first.values()) - runs) / 1000,
               by_port={port: (first[port] - answered[port]) / 1000 for port in traces})


def said(timeline: list[dict], words: str) -> list[dict]:
    found = [line for line in timeline if words in line["detail"]]
    expect(found, f"expected `{words}` in the timeline, found {[line['detail'] for line in timeline]}")
    return found
