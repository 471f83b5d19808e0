"""Reads the mid-points' own traces and says whether every request had exactly one outcome.

A mid-point appends one JSON object a line to its host's DOMAIN-TARGET.jsonl (MidPointTrace.java):

    {"t":micros,"gen":1,"seq":7,"e":"take","q":0,"id":3,"op":"write","off":4096,"len":4096}

A request is named by the generation it was taken in and its sequence; it keeps that name when it moves. Its events:
take, replay (answered from what came along), issue, hold (came back without an outcome), done, answer, seen, drop (its
guest has gone), hand (left with the manifest, in a state), adopt (came with it). Of the mid-point: stage, serve,
exchange, seal, unseal, retire.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

MID_POINT_EVENTS = {"stage", "serve", "exchange", "seal", "unseal", "retire"}


@dataclass
class Verdict:
    requests: int = 0
    migrations: list[dict] = field(default_factory=list)  # one per seal that was not taken back
    problems: list[str] = field(default_factory=list)


@dataclass
class Side:
    """What one host's trace says."""

    counts: dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))  # event -> request -> times
    handed: dict[tuple, str] = field(default_factory=dict)  # request -> state; only seals that held
    adopted: dict[tuple, str] = field(default_factory=dict)
    migrations: list[dict] = field(default_factory=list)


def check(traces: dict[str, str]) -> Verdict:
    """`traces`: the trace of one disk by host, from its guest's start to its end and later."""
    verdict = Verdict()
    sides = {host: read(host, text, verdict.problems) for host, text in traces.items()}
    counts: dict[str, Counter] = defaultdict(Counter)
    handed: dict[tuple, str] = {}
    adopted: dict[tuple, str] = {}
    for side in sides.values():
        for event, times in side.counts.items():
            counts[event] += times
        handed |= side.handed
        adopted |= side.adopted
        verdict.migrations += side.migrations
    verdict.migrations.sort(key=lambda m: m["generation"])
    verdict.requests = len(counts["take"])
    complain = verdict.problems.append

    for event in ("take", "issue", "done", "replay", "answer"):
        for request, times in counts[event].items():
            if times > 1 + (counts["hold"][request] if event == "issue" else 0):
                complain(f"request {name(request)}: {event} {times} times")
    for request in counts["replay"].keys() & counts["issue"].keys():
        complain(f"request {name(request)}: replayed and issued as well")
    for request in counts["take"]:
        state = handed.get(request)
        answered = counts["answer"][request]
        if (state in ("done", "unissued", "issued") and answered) or (state == "answered" and not answered):
            complain(f"request {name(request)}: handed over as {state}, answered {answered} times")
        if not state and not answered and not counts["drop"][request]:
            complain(f"request {name(request)}: taken, then neither answered nor handed over")
    for request in (counts["issue"].keys() | counts["answer"].keys()) - counts["take"].keys():
        complain(f"request {name(request)}: dealt with, but never taken")
    if handed != adopted:
        complain(f"handed over {len(handed)} requests, adopted {len(adopted)}; differing: "
                 + ", ".join(name(r) for r in sorted(handed.keys() ^ adopted.keys())[:5]))
    for request, state in adopted.items():
        # The source waited for what it had issued, or left it to the device's server; only what it had not issued is
        # to be done, once, by the destination.
        if state == "unissued" and counts["done"][request] != 1:
            complain(f"request {name(request)}: adopted as unissued, done {counts['done'][request]} times")
    return verdict


def read(host: str, text: str, problems: list[str]) -> Side:
    side = Side()
    since_seal: dict[tuple, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entry = json.loads(line)
            event, generation = entry["e"], entry["gen"]
            request = None if event in MID_POINT_EVENTS else (generation, entry["seq"])
        except (ValueError, KeyError, TypeError) as wrong:
            problems.append(f"{host}: line {number} of the trace is not as expected ({wrong!r}): {line[:120]}")
            continue
        match event:
            case "seal":
                since_seal = {}
                side.migrations.append({"source": host, "generation": generation, "pending": entry["pending"],
                                        "incomplete": entry["incomplete"], "states": {}})
            case "hand":
                since_seal[request] = side.handed[request] = entry["state"]
                states = side.migrations[-1]["states"]
                states[entry["state"]] = states.get(entry["state"], 0) + 1
            case "unseal":  # aborted: the guest goes on here, nothing was handed over
                for taken_back in since_seal:
                    side.handed.pop(taken_back, None)
                if side.migrations:
                    side.migrations.pop()
            case "adopt":
                side.adopted[request] = entry["state"]
            case _:
                if request:
                    side.counts[event][request] += 1
    return side


def name(request: tuple) -> str:
    return f"{request[0]}/{request[1]}"
