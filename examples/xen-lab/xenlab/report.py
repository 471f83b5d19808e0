"""What the lab says: progress with time stamps, one JSON file per scenario, the table at the end."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

STARTED = time.monotonic()


class LabError(Exception):
    """The lab itself could not do something: no verdict about Netchannel."""


class Failure(Exception):
    """A scenario found something other than it expected."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}s] {text}", flush=True)


def expect(condition, message: str) -> None:
    if not condition:
        raise Failure(message)


@dataclass
class Result:
    scenario: str
    verdict: str = "fail"
    reason: str = ""
    seconds: float = 0
    figures: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        path = directory / f"{self.scenario}.json"
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def table(results: list[Result]) -> str:
    lines = [f"{'scenario':<14} {'verdict':<8} {'time':>6}  what was seen"]
    for r in results:
        lines.append(f"{r.scenario:<14} {r.verdict:<8} {r.seconds:>5.0f}s  {r.reason.splitlines()[0] if r.reason else ''}")
    passed = sum(r.verdict == "pass" for r in results)
    lines.append(f"{passed} passed, {len(results) - passed} failed")
    return "\n".join(lines)
