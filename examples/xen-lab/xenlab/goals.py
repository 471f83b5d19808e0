"""What a scenario is to reach, as its JSON tells it under `goals`."""

import operator
from dataclasses import dataclass

RELATIONS = {"=": operator.eq, ">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Goal:
    name: str
    relation: str  # one of RELATIONS
    wanted: float
    found: float

    @property
    def met(self) -> bool:
        return RELATIONS[self.relation](self.found, self.wanted)

    def figures(self) -> dict:
        return {"name": self.name, "goal": f"{self.relation} {self.wanted:g}", "found": self.found, "met": self.met}

    def __str__(self) -> str:
        return f"{self.name}: expected {self.relation} {self.wanted:g}, found {self.found:g}"
