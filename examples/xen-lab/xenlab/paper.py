"""The paper's table (VEE 2008): milliseconds to handle the requests pending at a live migration; and what is to be reached."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    pending: int
    incomplete: int  # of these, not yet done by the device when the seal begins
    netchannel: float
    resubmit: float

    @property
    def ratio(self) -> float:
        return self.resubmit / self.netchannel

    @property
    def goal(self) -> float:
        """Times faster than resubmission."""
        return 6 if self.incomplete else 20

    def __str__(self) -> str:
        return f"{self.pending} ({self.incomplete})"


ROWS = (Row(5, 0, 1.94, 23.43), Row(12, 0, 2.74, 40.29), Row(16, 1, 12.93, 45.01),
        Row(23, 5, 23.41, 81.23), Row(26, 2, 16.69, 85.46), Row(32, 7, 29.24, 96.90))
GUEST_VIEW_GOAL = 0.6  # of stock
