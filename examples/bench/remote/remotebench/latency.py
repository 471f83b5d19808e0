"""Where the time of one request goes, as the paper's "latency incurred by one block device request".

With -Dnetchannel.stages=FILE client and server note the time at which a request passes each stage, both by the same
clock (CLOCK_MONOTONIC of this host), and write the notes when they end. One request at a time: a stage begins where
the one before ended, so the stages add up to the whole. Without the option the notes are compiled to nothing.
"""

from collections import defaultdict
from pathlib import Path

from .load import WORKLOADS, measure
from .processes import BenchError, Processes
from .stacks import Place, start

# Stage as it is noted, and what has been done since the one before it.
STAGES = (
    ("enqueued", None),
    ("encoded", "client: to the event loop, encoded"),
    ("received", "sent, server wakes, decoded"),
    ("issued", "server: checked"),
    ("finished", "device: file in the page cache"),
    ("replied", "server: back to the event loop, encoded"),
    ("arrived", "sent, client wakes, decoded"),
    ("completed", "client: completion has run"),
)
SKIPPED = 2000   # the first ones run in the interpreter
COUNTED = 0.9    # of the others; the slowest ones met something else on the machine


def breakdown(place: Place, transport: str, seconds: float, size_bytes: int) -> dict:
    """Per direction: mean microseconds of each stage and of the whole, over a run of fio."""
    place.stages = True
    found = {}
    try:
        for name in ("randread-qd1", "randwrite-qd1"):
            for part in ("client", "server"):
                (place.directory / f"stages-{part}.txt").unlink(missing_ok=True)
            workload = next(w for w in WORKLOADS if w.name == name)
            with Processes(place.directory) as processes:
                uri = start("netchannel", transport, place, processes)["client"]
                sample = measure(workload, uri, seconds, size_bytes)
            found[name] = stages(place) | {"seen_by_fio": sample.latency_micros}
    finally:
        place.stages = False
    return found


def stages(place: Place) -> dict:
    times: dict[int, dict[str, int]] = defaultdict(dict)
    for part in ("client", "server"):
        path = place.directory / f"stages-{part}.txt"
        if not path.exists():
            raise BenchError(f"expected the notes of the {part} in {path}, found none")
        # A last line without its end was cut: a process does not wait for its notes when it ends.
        for line in path.read_text().split("\n")[:-1]:
            stage, sequence, nanos = line.split()
            times[int(sequence)][stage] = int(nanos)
    names = [name for name, _ in STAGES]
    first, last = names[0], names[-1]
    whole = [seen for _, seen in sorted(times.items()) if all(name in seen for name in names)][SKIPPED:]
    if not whole:
        raise BenchError(f"expected more than {SKIPPED} requests with all their stages, found fewer; measure for longer")
    whole.sort(key=lambda seen: seen[last] - seen[first])
    whole = whole[:max(1, int(len(whole) * COUNTED))]
    found: dict = {"requests": len(whole)}
    for before, name in zip(names, names[1:]):
        found[name] = round(sum(seen[name] - seen[before] for seen in whole) / len(whole) / 1000, 2)
    found["total"] = round(sum(seen[last] - seen[first] for seen in whole) / len(whole) / 1000, 2)
    return found


def table(transport: str, found: dict) -> str:
    counts = f"{found['randread-qd1']['requests']} reads, {found['randwrite-qd1']['requests']} writes"
    lines = [f"One 4 KiB request at a time, {transport}: microseconds, mean of the faster nine tenths, {counts}",
             f"  {'':46} {'read':>8} {'write':>8}"]
    for key, title in (*STAGES[1:], ("total", "from the client's device to its completion"),
                       ("seen_by_fio", "as fio sees it, through the NBD front")):
        lines.append(f"  {title:46} {found['randread-qd1'][key]:>8.1f} {found['randwrite-qd1'][key]:>8.1f}")
    return "\n".join(lines)
