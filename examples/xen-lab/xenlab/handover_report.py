"""The table of scenario handover-table: text, figures, picture."""

from .handover import Run
from .one_head import SERVICE_MICROS
from .paper import GUEST_VIEW_GOAL, ROWS, Row
from .plot import Series, chart, median

SYSTEMS = ("netchannel", "stock")


class Report:
    def __init__(self, runs: list[Run]):
        self.runs = runs
        self.rows = [row for row in ROWS if any((r.pending, r.incomplete) == (row.pending, row.incomplete) for r in runs)]

    def of(self, row: Row, system: str) -> list[Run]:
        return [r for r in self.runs if (r.system, r.pending, r.incomplete) == (system, row.pending, row.incomplete)]

    def values(self, row: Row, system: str, name: str) -> list[float]:
        return [getattr(run, name) for run in self.of(row, system)]

    def middle(self, row: Row, system: str, name: str) -> float:
        return median(self.values(row, system, name))

    def ratio(self, row: Row) -> float:
        return self.middle(row, "stock", "handling") / self.middle(row, "netchannel", "handling")

    def share(self, row: Row) -> float:
        return self.middle(row, "netchannel", "guest_view") / self.middle(row, "stock", "guest_view")

    def figures(self) -> dict:
        rows = [{"pending": row.pending, "incomplete": row.incomplete,
                 "paper": {"netchannel": row.netchannel, "resubmit": row.resubmit, "ratio": round(row.ratio, 1)},
                 "ratio": round(self.ratio(row), 2), "goal": row.goal, "goal_reached": self.ratio(row) >= row.goal,
                 "guest_view_share": round(self.share(row), 2), "guest_view_goal": GUEST_VIEW_GOAL,
                 "guest_view_goal_reached": self.share(row) <= GUEST_VIEW_GOAL}
                | {system: {name: spread_figures(self.values(row, system, name)) for name in ("handling", "guest_view")}
                   for system in SYSTEMS} for row in self.rows]
        return {"rows": rows, "service_ms": SERVICE_MICROS / 1000, "runs": [run.figures() for run in self.runs]}

    def text(self) -> str:
        lines = ["", "Handling time of pending requests, ms: median (least-most)", "",
                 f"{'pending':>7} {'incomplete':>10}  {'Netchannel':>22} {'resubmission':>24} {'ratio':>6} {'goal':>7}   "
                 f"{'paper: Netchannel':>17} {'resubmit':>9} {'ratio':>6}"]
        for row in self.rows:
            reached = "reached" if self.ratio(row) >= row.goal else "missed"
            lines.append(f"{row.pending:>7} {row.incomplete:>10}  {self.spread(row, 'netchannel', 'handling'):>22} "
                         f"{self.spread(row, 'stock', 'handling'):>24} {self.ratio(row):>6.1f} {row.goal:>3.0f} {reached:<7} "
                         f"{row.netchannel:>13.2f} {row.resubmit:>9.2f} {row.ratio:>6.1f}")
        lines += ["", "Guest view, ms: from the unpause to the last pending request answered, and what our hook held the resume for", "",
                  f"{'pending':>7} {'incomplete':>10}  {'Netchannel':>22} {'of it hook':>10} {'stock':>24} {'share':>6} {'goal':>13}"]
        for row in self.rows:
            reached = "reached" if self.share(row) <= GUEST_VIEW_GOAL else "missed"
            lines.append(f"{row.pending:>7} {row.incomplete:>10}  {self.spread(row, 'netchannel', 'guest_view'):>22} "
                         f"{self.middle(row, 'netchannel', 'hook'):>10.0f} {self.spread(row, 'stock', 'guest_view'):>24} "
                         f"{self.share(row):>6.2f} {GUEST_VIEW_GOAL:>5} {reached:<7}")
        return "\n".join(lines + self.explanations()) + "\n"

    def spread(self, row: Row, system: str, name: str) -> str:
        values = self.values(row, system, name)
        return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"

    def explanations(self) -> list[str]:
        """Where the goal was missed: what Netchannel's time went into."""
        lines = []
        for row in self.rows:
            if self.ratio(row) < row.goal:
                runs = self.of(row, "netchannel")
                seal, hand_over = (median([r.parts[name] for r in runs]) for name in ("seal", "hand_over"))
                service = row.incomplete * SERVICE_MICROS / 1000
                device = (f", in which the device took {service:.1f} ms for {row.incomplete} incomplete requests," if service else "")
                lines.append(f"{row}: {self.middle(row, 'netchannel', 'handling'):.2f} ms are {seal:.2f} ms of seal{device} and "
                             f"{hand_over:.2f} ms from there to the other host's mid-point; the goal is "
                             f"{self.middle(row, 'stock', 'handling') / row.goal:.2f} ms"
                             + self.bound(row, service))
        errors = [r.clock_error for r in self.runs if r.system == "netchannel"]
        return ["", f"The hosts' clocks were compared with an error of at most {max(errors):.2f} ms.", *lines] if errors else lines

    def bound(self, row: Row, service: float) -> str:
        """The source waits for what is at the device: no faster than the device itself."""
        most = self.middle(row, "stock", "handling") / service if service else row.goal
        return f", and with this disk no more than {most:.1f} times is possible" if most < row.goal else ""

    def picture(self) -> str:
        colours = {"netchannel": "#2b7bba", "stock": "#d9822b"}
        names = {"netchannel": "Netchannel", "stock": "stock"}
        panels = [(label, [Series(names[s], colours[s], [self.values(row, s, field) for row in self.rows]) for s in SYSTEMS])
                  for label, field in (("handling time, ms", "handling"), ("guest view, ms", "guest_view"))]
        panels.append(("times faster", [
            Series("measured", "#2b7bba", [[self.ratio(row)] for row in self.rows]),
            Series("paper", "#999999", [[row.ratio] for row in self.rows]),
            Series("goal", "#cccccc", [[row.goal] for row in self.rows])]))
        return chart("Pending requests at a live migration: pending (incomplete)", [str(row) for row in self.rows], panels)


def spread_figures(values: list[float]) -> dict:
    return {"median": round(median(values), 3), "least": round(min(values), 3), "most": round(max(values), 3),
            "runs": len(values)}
