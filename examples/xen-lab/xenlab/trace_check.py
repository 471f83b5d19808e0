"""Reads the mid-points' own traces and says whether every request had exactly one outcome.

A mid-point writes one JSON object a line. What is relied on here, and nothing else (`FIELDS` is the place to adapt):

    {"event": "taken",     "device": "g/xvdb", "id": 17, "op": "WRITE", ...}   off the ring, into the pending table
    {"event": "answered",  "device": "g/xvdb", "id": 17, ...}                  response on the ring
    {"event": "handed-over", "device": "g/xvdb", "id": 17, ...}                left with the manifest, at the source
    {"event": "took-over", "device": "g/xvdb", "id": 17, ...}                  came with the manifest, at the destination

Exactly once means: every request a mid-point took is answered or handed over by it, once and not both; and the
set handed over by one side is the set taken over by the other.
"""

import json
from collections import Counter
from dataclasses import dataclass

FIELDS = {"event": "event", "device": "device", "id": "id"}
TAKEN, ANSWERED, HANDED_OVER, TOOK_OVER = "taken", "answered", "handed-over", "took-over"


@dataclass
class Verdict:
    requests: int = 0
    handed_over: int = 0
    took_over: int = 0
    problems: tuple = ()


def check(source: str, destination: str) -> Verdict:
    """`source`, `destination`: the trace lines of one migration on both hosts, from empty files on."""
    problems = []
    left, right = events(source, "source", problems), events(destination, "destination", problems)
    for side, seen in (("source", left), ("destination", right)):
        taken = Counter(key for event, key in seen if event == TAKEN)
        outcomes = Counter(key for event, key in seen if event in (ANSWERED, HANDED_OVER))
        for key, times in taken.items():
            if times > 1:
                problems.append(f"{side}: request {key} was taken {times} times")
            # The destination goes on serving while we look: what it took last may still be in its table.
            if outcomes[key] > 1 or (outcomes[key] == 0 and side == "source"):
                problems.append(f"{side}: request {key} had {outcomes[key]} outcomes, expected exactly one")
        for key in outcomes.keys() - taken.keys():
            problems.append(f"{side}: outcome of request {key}, which was never taken")
    handed = Counter(key for event, key in left if event == HANDED_OVER)
    taken_over = Counter(key for event, key in right if event == TOOK_OVER)
    if handed != taken_over:
        problems.append(f"handed over {sum(handed.values())} requests, taken over {sum(taken_over.values())}; "
                        f"differing: {list((handed - taken_over) + (taken_over - handed))[:5]}")
    requests = sum(event == TAKEN for event, _ in left + right)
    return Verdict(requests, sum(handed.values()), sum(taken_over.values()), tuple(problems))


def events(text: str, side: str, problems: list) -> list[tuple[str, tuple]]:
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found.append((entry[FIELDS["event"]], (entry[FIELDS["device"]], entry[FIELDS["id"]])))
        except (ValueError, KeyError, TypeError) as wrong:
            if number < len(lines):  # the last line of a file still being written may be half a line
                problems.append(f"{side}: line {number} of the trace is not as expected ({wrong}): {line[:120]}")
    if not found:
        problems.append(f"{side}: the trace is empty, so it shows nothing")
    return found
