"""Migrations there and back of a guest that must have requests outstanding when it is suspended.

Its writes take seconds, so it nearly always has some. But an emulated guest that gets no CPU between its frozen tasks
and the suspend may have been answered all of them: that says nothing of a hand-over, and it goes once more.
"""

from typing import Collection, Iterator

from . import product, trace_check
from .hosts import Host
from .report import expect, say

MORE_TRIPS = 3


def round_trips(hosts: Collection[Host], guest, target: str, least: int) -> Iterator[int]:
    """Numbers of as many as asked for, then of more until each of these hosts has handed over pending requests."""
    for trip in range(least + MORE_TRIPS):
        if trip >= least:
            idle = [host.name for host in hosts if not any(m["pending"] for m in migrations([host], guest, target))]
            if not idle:
                return
            say(f"nothing was pending when {guest.name} left {', '.join(idle)}: once more")
        yield trip


def migrations(hosts: Collection[Host], guest, target: str) -> list[dict]:
    """As their sources' traces tell of them."""
    traces = {host.name: product.trace(host, guest.name, target) for host in hosts}
    return [migration for host, text in traces.items() for migration in trace_check.read(host, text, []).migrations]


def expect_handed_over(done: list[dict], trips: int) -> None:
    expect(len(done) == 2 * trips, f"expected {2 * trips} migrations in the traces, found {len(done)}")
    for source in {migration["source"] for migration in done}:
        pending = [migration["pending"] for migration in done if migration["source"] == source]
        expect(any(pending), f"expected pending requests handed over by {source}, found {pending}")
