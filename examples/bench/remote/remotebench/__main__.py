"""Command line: start all, measure in turn, report."""

import argparse
import os
import platform
import shutil
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from . import latency, report
from .load import RAMP_SECONDS, WORKLOADS, Workload, measure
from .processes import BenchError, Processes, first_line, main, say
from .stacks import PRODUCTS, REPO, TRANSPORTS, Place, make_certificates, start, start_netchannel_file

MIB = 1 << 20
DIRECT = "direct"  # fio straight to a server: information, not a comparison of clients


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples/bench/remote/run", description=(
        "Measures remote disks: Netchannel's device server and client, qemu-nbd and nbdkit, each with its own client, on "
        "the same file through the page cache, with fio. Prints a table; leaves remote.json and remote.svg."))
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--transports", nargs="+", choices=TRANSPORTS, default=list(TRANSPORTS), metavar="T",
                        help=f"of {', '.join(TRANSPORTS)} (default: all)")
    parser.add_argument("--workloads", nargs="+", choices=names, default=names, metavar="W",
                        help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--products", nargs="+", choices=PRODUCTS, default=list(PRODUCTS), metavar="P",
                        help=f"of {', '.join(PRODUCTS)} (default: all)")
    parser.add_argument("--rounds", type=positive(int), default=5, help="of everything, in turn (default: %(default)s)")
    parser.add_argument("--seconds", type=positive(float), default=3,
                        help="of one measurement, after %s s that do not count (default: %%(default)s)" % RAMP_SECONDS)
    parser.add_argument("--size-mib", type=positive(int), default=512, help="of the file (default: %(default)s)")
    parser.add_argument("--no-direct", action="store_true", help="leave out fio straight to the servers")
    parser.add_argument("--latency", action="store_true", help="only print where the time of one request goes")
    parser.add_argument("--java-options", default="", metavar="TEXT", help="further ones of our JVMs")
    parser.add_argument("--output", type=Path, default=REPO / "target" / "bench" / "remote", metavar="DIR",
                        help="for the file, logs and results; on a file system with room (default: target/bench/remote)")
    return parser.parse_args()


def positive(kind: type):
    def parse_number(text: str):
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return value
    parse_number.__name__ = "number"
    return parse_number


def bench(options: argparse.Namespace) -> None:
    directory = options.output.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if len(str(directory / "netchannel" / "run" / "control.sock")) > 100:
        raise BenchError(f"expected a shorter path than {directory}: sockets in it have at most 107 bytes; use --output")
    place = Place(directory, directory / "disk.raw", options.java_options)
    make_file(place.disk, options.size_mib * MIB)
    try:
        make_certificates(place)
        if options.latency:
            for transport in options.transports:
                print(latency.table(TRANSPORTS[transport], latency.breakdown(
                    place, transport, options.seconds, options.size_mib * MIB)) + "\n", flush=True)
        else:
            compare(options, place)
    finally:
        place.disk.unlink(missing_ok=True)


def make_file(path: Path, size_bytes: int) -> None:
    if shutil.disk_usage(path.parent).free < 2 * size_bytes:
        raise BenchError(f"expected {2 * size_bytes >> 20} MiB free in {path.parent}, found less; use --output or --size-mib")
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        for _ in range(size_bytes // MIB):
            file.write(block)
        os.fsync(file.fileno())


def compare(options: argparse.Namespace, place: Place) -> None:
    workloads = [w for w in WORKLOADS if w.name in options.workloads]
    began = time.monotonic()
    results: report.Results = {}
    for transport in options.transports:
        say(f"{TRANSPORTS[transport]}: {', '.join(options.products)}, {options.rounds} rounds")
        with Processes(place.directory) as processes:
            uris = {product: start(product, transport, place, processes) for product in options.products}
            results[transport] = interleaved(
                options, place, workloads, {product: found["client"] for product, found in uris.items()})
            if transport == "unix" and not options.no_direct:
                direct = {product: found["server"] for product, found in uris.items() if "server" in found}
                if "netchannel" in options.products:
                    direct["netchannel"] = start_netchannel_file(place, place.directory / "file", processes)
                say("straight to the servers")
                results[DIRECT] = interleaved(options, place, workloads, direct)
    if DIRECT in results:
        results[DIRECT] = results.pop(DIRECT)  # last in the table
    found = report.figures(results)
    report.write(found, about(options, time.monotonic() - began), place.directory)
    print(report.table(found))
    print(f"\n{place.directory}/remote.json, remote.svg", flush=True)


def interleaved(options: argparse.Namespace, place: Place, workloads: list[Workload],
                uris: dict[str, str]) -> dict[str, dict[str, list]]:
    """All products one after the other, then the next round: what changes on the machine changes for all of them."""
    found: dict[str, dict[str, list]] = {w.name: {product: [] for product in uris} for w in workloads}
    size_bytes = options.size_mib * MIB
    for workload in workloads:  # compilers, caches and buffers get to their places, everybody's
        for uri in uris.values():
            measure(workload, uri, 1, size_bytes)
    products = list(uris)
    for number in range(options.rounds):
        turn = products[number % len(products):] + products[:number % len(products)]
        for workload in workloads:
            for product in turn:
                settle(place.disk)
                found[workload.name][product].append(measure(workload, uris[product], options.seconds, size_bytes))
        say(f"round {number + 1} of {options.rounds}")
    return found


def settle(disk: Path) -> None:
    """What was written before reaches the storage now, and not while the next one is measured."""
    with open(disk, "rb") as file:
        os.fdatasync(file.fileno())


def about(options: argparse.Namespace, took_seconds: float) -> dict:
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "took_seconds": round(took_seconds),
        "cache": "writeback: the page cache of the server's host, for all; no flushes",
        "rounds": options.rounds,
        "seconds": options.seconds,
        "file_mib": options.size_mib,
        "processors": os.cpu_count(),
        "linux": platform.release(),
        "java": first_line("java", "-version"),
        "java_options": options.java_options,
        "qemu-nbd": first_line("qemu-nbd", "--version"),
        "nbdkit": first_line("nbdkit", "--version"),
        "fio": first_line("fio", "--version"),
    }


if __name__ == "__main__":
    sys.exit(main(parse, bench))
