"""Command line: start, measure in turn, report."""

import argparse
import os
import platform
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from remotebench.__main__ import positive
from remotebench.processes import BenchError, first_line, main, say
from remotebench.stacks import REPO, Place, make_certificates

from . import machine, report
from .cuts import CuttingProxy, streams_through_cuts
from .load import WORKLOADS, Load, Sample
from .stacks import CONFIGURE, SOFTWARE, STACKS, Stack, compile_load, compile_player, load, opened, server

PARTS = ("native", "machine", "cuts", "many")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples/bench/usb/run", description=(
        "Measures USB devices of other hosts: Netchannel's device server and client beside usbip and usbredir. Prints a table and the "
        "goals; leaves usb.json."))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="P", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=positive(int), default=3, help="of everything, in turn (default: %(default)s)")
    parser.add_argument("--requests", type=positive(int), default=1000,
                        help="of one measurement, after as many that do not count (default: %(default)s)")
    parser.add_argument("--machine-rounds", type=positive(int), default=1, help="of everything in the emulated machine (default: %(default)s)")
    parser.add_argument("--machine-requests", type=positive(int), default=1000, help="of one measurement there (default: %(default)s)")
    parser.add_argument("--cuts", type=positive(int), default=1000, help="of connections (default: %(default)s)")
    parser.add_argument("--devices", type=positive(int), default=50, help="on one daemon (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=REPO / "target" / "bench" / "usb", metavar="DIR",
                        help="for logs and results; on a file system with room (default: target/bench/usb)")
    return parser.parse_args()


def bench(options: argparse.Namespace) -> None:
    directory = options.output.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if len(str(directory / "netchannel" / "run" / "control.sock")) > 100:
        raise BenchError(f"expected a shorter path than {directory}: sockets in it have at most 107 bytes; use --output")
    place = Place(directory, directory)
    began = time.monotonic()
    make_certificates(place)
    compile_load(directory)
    compile_player(directory)
    results: report.Results = {}
    told: dict[str, dict | None] = {"cuts": None, "many": None}
    parts = {
        "native": lambda: native(options, place, results),
        "machine": lambda: machine.measure(directory / "machine", directory / "classes", options.machine_rounds,
                                           options.machine_requests, results),
        "cuts": lambda: told.update(cuts=through_cuts(place, options.cuts)),
        "many": lambda: told.update(many=many_devices(place, options.devices, options.requests)),
    }
    for part in (each for each in PARTS if each in options.parts):
        parts[part]()
        found = report.figures(results)
        reached = report.goals(found, told["cuts"], told["many"])
        # After each: what was measured is not lost when a later part cannot be.
        report.write(directory, about(options, time.monotonic() - began), found, results, told["cuts"], told["many"], reached)
    print(report.table(found))
    for name, figures in told.items():
        if figures:
            print(f"  {name}: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items()))
    for each in reached:
        print(f"  {'met   ' if each['met'] else 'MISSED'} {each['name']}: {each['found']}, goal {each['goal']}")
    print(f"\n{directory}/usb.json", flush=True)


def native(options: argparse.Namespace, place: Place, results: report.Results) -> None:
    """One product after the other, then the next round. Each is alone while it is measured: some look for work without a pause."""
    for number in range(options.rounds):
        for stack in STACKS[number % len(STACKS):] + STACKS[:number % len(STACKS)]:
            with opened(stack, place) as asked:
                for name, sample in measured(asked, stack, options.requests).items():
                    results.setdefault(stack.place, {}).setdefault(name, {}).setdefault(stack.product, []).append(sample)
        say(f"round {number + 1} of {options.rounds}")


def measured(asked: Load, stack: Stack, requests: int) -> dict[str, Sample]:
    for line in stack.prepare:
        asked.ask(line)
    for workload in WORKLOADS:  # compilers and buffers get to their places
        asked.measure(workload, stack.endpoints, requests)
    found = {workload.name: asked.measure(workload, stack.endpoints, requests) for workload in WORKLOADS}
    return {name: sample for name, sample in found.items() if sample}


def through_cuts(place: Place, wanted: int) -> dict:
    say(f"numbered streams over {wanted} cuts")
    with server(place, {"device": "usb-soft:sourcesink"}) as running, CuttingProxy(running.plain) as proxy, \
            load("cuts-load", place, f"netchannel+tcp://127.0.0.1:{proxy.port}/usb/device") as asked:
        asked.ask(CONFIGURE)
        return streams_through_cuts(asked, proxy, SOFTWARE, wanted)


def many_devices(place: Place, wanted: int, requests: int) -> dict:
    """Each with a client of its own in one process, by mutual TLS; all of them work at the same time."""
    say(f"{wanted} devices on one daemon")
    names = [f"device{number}" for number in range(wanted)]
    with server(place, dict.fromkeys(names, "usb-soft:sourcesink")) as running, \
            load("many-load", place, *(running.source("tls", name) for name in names)) as asked:
        asked.ask(CONFIGURE)
        told: dict = {"wanted": wanted, "devices": asked.devices}
        for workload in (each for each in WORKLOADS if each.small):
            sample = asked.measure(workload, SOFTWARE, max(1, requests // 10))
            figures = report.of(workload, [sample])
            told |= {f"{workload.name}_p50_micros": figures["p50_micros"], f"{workload.name}_p99_micros": figures["p99_micros"],
                     f"{workload.name}_per_second": round(len(sample.micros) / sample.seconds)}
        return told


def about(options: argparse.Namespace, took_seconds: float) -> dict:
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "took_seconds": round(took_seconds),
        "rounds": options.rounds,
        "requests": options.requests,
        "processors": os.cpu_count(),
        "linux": platform.release(),
        "java": first_line("java", "-version"),
    }


if __name__ == "__main__":
    sys.exit(main(parse, bench))
