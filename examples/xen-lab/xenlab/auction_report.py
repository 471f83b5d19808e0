"""The figures of scenario auction: rates and waits over time, what was to be reached, the picture."""

import math
from dataclasses import dataclass, field

from .bidding import Interaction
from .bookkeeping import Audit
from .goals import Goal
from .plot import Line, LinePanel, median, over_time

# Of a rate. In one second an emulated guest answers too few to tell rates apart.
WINDOW_SECONDS = 10
TAIL = 0.99
# In this order. Before the first of them the guest is at home, alone; the last phase has no old host to fall back to.
MARKS = {"migrate": "migration begins", "migrated": "migration ends", "swap": "swap begins", "sync": "in sync", "switched": "switched",
         "gone": "hosta's disk is noise, its daemon stopped"}
OURS, WITHOUT = "#2b7bba", "#bbbbbb"


@dataclass(frozen=True)
class Window:
    at: float  # its middle, in seconds since the first one's beginning
    rate: float  # interactions a second
    p99_seconds: float | None  # None: there was none


@dataclass
class Course:
    """What the clients of one guest got."""

    begin: float = 0  # as the times of interactions are
    end: float = 0
    interactions: list[Interaction] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)  # of MARKS, as far as it has come

    def windows(self, begin: float | None = None, end: float | None = None) -> list[Window]:
        """Those that are over by the end; the first one begins with the beginning."""
        begin, end = self.begin if begin is None else begin, self.end if end is None else end
        waits: list[list[float]] = [[] for _ in range(int((end - begin) // WINDOW_SECONDS))]
        for each in self.interactions:
            number = math.floor((each.at - begin) / WINDOW_SECONDS)
            if 0 <= number < len(waits):
                waits[number].append(each.seconds)
        return [Window((number + 0.5) * WINDOW_SECONDS, len(each) / WINDOW_SECONDS, percentile(each, TAIL) if each else None)
                for number, each in enumerate(waits)]

    def rate(self, begin: float, end: float) -> float:
        """The median of its windows; of a time too short for one, all there was."""
        windows = self.windows(begin, end)
        if windows:
            return median([each.rate for each in windows])
        return sum(begin <= each.at < end for each in self.interactions) / (end - begin)

    def rates(self) -> dict[str, float]:
        m = self.marks
        phases = {"before": (self.begin, m["migrate"]), "migration": (m["migrate"], m["migrated"]), "between": (m["migrated"], m["swap"]),
                  "swap": (m["swap"], m["switched"]), "after": (m["switched"], self.end)}
        return {name: round(self.rate(*phase), 2) for name, phase in phases.items()}

    def marks_since_begin(self) -> dict[str, float]:
        return {name: round(at - self.begin, 1) for name, at in self.marks.items()}

    def csv(self) -> str:
        return "answered_at_seconds,kind,took_seconds\n" + "".join(
            f"{each.at - self.begin:.3f},{each.kind},{each.seconds:.3f}\n" for each in self.interactions)

    def figures(self) -> list[dict]:
        return [{"at": each.at, "rate": each.rate, "p99_seconds": each.p99_seconds and round(each.p99_seconds, 3)} for each in self.windows()]


def goals(course: Course, born_there: Course, audit: Audit, none: dict[str, int]) -> list[Goal]:
    """`none`: what else there must be none of, counted."""
    rates, at_the_destination = course.rates(), born_there.rate(born_there.begin, born_there.end)
    silent = sum(not each.rate for each in course.windows(course.marks["swap"], course.marks["switched"]))
    counted = none | {
        "writes lost": len(audit.lost),
        "writes done twice": len(audit.doubled),
        "writes changed": len(audit.changed),
        "writes that nobody was told of": len(audit.unknown),
        "items that disagree with their bids": len(audit.disagreeing),
        "complaints of CHECK TABLE": len(audit.damaged),
        f"times of {WINDOW_SECONDS} s in the swap without an interaction": silent,
    }
    return [Goal(name, "=", 0, found) for name, found in counted.items()] + [
        Goal("rate in the swap, of that before the migration", ">=", 0.6, share(rates["swap"], rates["before"])),
        Goal("rate after the switch, of a guest born at its host", ">=", 0.9, share(rates["after"], at_the_destination)),
    ]


def share(found: float, of: float) -> float:
    return round(found / of, 2) if of else 0.0


def percentile(values: list[float], part: float) -> float:
    """The least of them that so many are not above."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def figures(course: Course, born_there: Course) -> dict:
    return {"window_seconds": WINDOW_SECONDS, "interactions": len(course.interactions),
            "marks": course.marks_since_begin(),
            "rates": course.rates() | {"born_at_the_destination": round(born_there.rate(born_there.begin, born_there.end), 2)},
            "windows": course.figures(), "windows_without_migration": born_there.figures()}


def picture(course: Course, born_there: Course) -> str:
    shown = (("without migration", WITHOUT, born_there.windows()), ("migrated, swapped", OURS, course.windows()))
    return over_time(
        "A database's guest migrates, then its disk is swapped, under load",
        [LinePanel("interactions each second", [Line(name, colour, [(w.at, w.rate) for w in found]) for name, colour, found in shown]),
         LinePanel("longest wait but for one in a hundred (p99), s",
                   [Line(name, colour, [(w.at, w.p99_seconds) for w in found]) for name, colour, found in shown], logarithmic=True)],
        [(at, MARKS[name]) for name, at in course.marks_since_begin().items()])
