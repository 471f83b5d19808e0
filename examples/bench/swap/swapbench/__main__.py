"""Command line: exchange in turn, report."""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, fields
from datetime import datetime, timezone
from pathlib import Path

from remotebench.processes import BenchError, Processes, first_line, main, run, say
from .rows import MIB, ROWS, Row, Sample, goals
from .ways import EXCHANGE_SECONDS, REPO, WAYS, Marks

COLOURS = {"netchannel": "#1f77b4", "qemu-write-blocking": "#ff7f0e", "qemu-background": "#d62728",
           "qemu-small-buffer": "#9467bd"}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examples/bench/swap/run", description=(
        "Measures the exchange of a device under load: netchannel nbd-export --swap-to, and the mirror jobs of "
        "qemu-storage-daemon, on the same files, with fio. Prints a table and the goals; leaves swap.json and swap.svg."))
    names = [row.name for row in ROWS]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="R", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="W",
                        help=f"of {', '.join(WAYS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="of everything, in turn (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=REPO / "target" / "bench" / "swap", metavar="DIR",
                        help="for files, logs and results; on a file system with room (default: target/bench/swap)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"expected 1 or more rounds, found {options.rounds}")
    return options


def bench(options: argparse.Namespace) -> None:
    directory = options.output.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if len(str(directory / "nbd.sock")) > 100:
        raise BenchError(f"expected a shorter path than {directory}: sockets in it have at most 107 bytes; use --output")
    rows = [row for row in ROWS if row.name in options.rows]
    samples: dict[str, dict[str, list[Sample]]] = {
        row.name: {way: [] for way in row.ways if way in options.ways} for row in rows}
    latencies: dict[str, list[tuple[float, float]]] = {}
    copied: list[float] = []
    began = time.monotonic()
    for number in range(options.rounds):
        for row in rows:
            ways = list(samples[row.name])
            for way in ways[number % len(ways):] + ways[:number % len(ways)]:
                sample, points = exchange(row, way, directory)
                samples[row.name][way].append(sample)
                if row.name == "steady":
                    latencies[way] = points
            if row.name == "no-load":
                copied.append(nbdcopy(row, directory))
        say(f"round {number + 1} of {options.rounds}")
    medians = {row: {way: median(found) for way, found in ways.items()} for row, ways in samples.items()}
    rate = statistics.median(copied) if copied else None
    reached = goals(medians, rate)
    (directory / "swap.json").write_text(json.dumps({
        "about": about(options, time.monotonic() - began),
        "medians": {row: {way: asdict(each) for way, each in ways.items()} for row, ways in medians.items()},
        "samples": {row: {way: [asdict(each) for each in found] for way, found in ways.items()} for row, ways in samples.items()},
        "nbdcopy_mib_per_second": copied,
        "goals": reached,
    }, indent=2) + "\n")
    if latencies:
        (directory / "swap.svg").write_text(picture(latencies))
    print(table(medians, rate))
    for each in reached:
        print(f"  {'met   ' if each['met'] else 'MISSED'} {each['name']}: {each['found']}, goal {each['goal']}")
    print(f"\n{directory}/swap.json, swap.svg", flush=True)


def exchange(row: Row, way: str, directory: Path) -> tuple[Sample, list[tuple[float, float]]]:
    """One exchange under load; and its writes as (seconds after its begin, milliseconds)."""
    memory = Path("/dev/shm")
    source = (memory if row.slow else directory) / "swap-source.raw"
    target = directory / "swap-target.raw"
    for left in ("nbd.sock", "qmp.sock", "target.sock", "load_clat.1.log"):
        (directory / left).unlink(missing_ok=True)
    try:
        make_source(source, row.size_mib, 1 if row.slow else 2)
        with Processes(directory) as processes:
            place = str(target)
            if row.slow:
                place = slow_target(row, directory, processes)
            else:
                make_empty(target, row.size_mib)
            served = WAYS[way](source, place, directory, not row.slow, processes, row.before_seconds)
            load = None if row.iops < 0 else start_load(row, served.uri, directory)
            try:
                marks = served.exchange()
                resident = resident_mib(served.process.pid)
                if load and marks.ended:
                    time.sleep(row.after_seconds)
            finally:
                if load:
                    load.send_signal(signal.SIGINT)  # it writes its log and ends
                    load.wait(60)
            points = read_load(directory) if load else []
            sample = sampled(row, marks, points)
            sample.resident_mib = resident
        if not row.slow and marks.ended:
            sample.source_allocated = source.stat().st_blocks * 512 / MIB
            sample.target_allocated = target.stat().st_blocks * 512 / MIB
        return sample, [(when - marks.begun, took) for when, took in points]
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def make_source(path: Path, size_mib: int, part: int) -> None:
    """Data in its first half, or in all of it; the rest is a hole."""
    if shutil.disk_usage(path.parent).free < 4 * size_mib * MIB:
        raise BenchError(f"expected {4 * size_mib} MiB free in {path.parent}, found less; use --output")
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        for _ in range(size_mib // part):
            file.write(block)
        file.truncate(size_mib * MIB)
        os.fsync(file.fileno())


def make_empty(path: Path, size_mib: int) -> None:
    with open(path, "wb") as file:
        file.truncate(size_mib * MIB)


def slow_target(row: Row, directory: Path, processes: Processes) -> str:
    listening = directory / "target.sock"
    processes.start("target", ["nbdkit", "-f", "-U", listening, "-t", "64", "python", Path(__file__).parent / "slow_target.py",
                               f"bytes={row.size_mib * MIB}", f"write={row.write_millis}", f"flush={row.flush_millis}"],
                    listening.exists)
    return f"nbd+unix:///?socket={listening}"


def start_load(row: Row, uri: str, directory: Path) -> subprocess.Popen:
    limit = [f"--rate_iops={row.iops}"] if row.iops else []
    return subprocess.Popen(
        ["fio", "--name=load", "--ioengine=nbd", f"--uri={uri}", "--rw=randwrite", "--bs=4k", f"--iodepth={row.depth}",
         f"--size={row.size_mib}M", "--norandommap", "--randrepeat=0", "--time_based", f"--runtime={3 * EXCHANGE_SECONDS}",
         *limit, f"--write_lat_log={directory}/load", "--log_unix_epoch=1", f"--output={directory}/load.txt"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def read_load(directory: Path) -> list[tuple[float, float]]:
    """Each write: when it ended, in seconds since the epoch, and how long it took, in milliseconds."""
    log = directory / "load_clat.1.log"
    if not log.exists():
        words = (directory / "load.txt").read_text() if (directory / "load.txt").exists() else "nothing"
        raise BenchError(f"expected fio's log in {log}, found none; it said: {words}")
    found = (line.split(",") for line in log.read_text().splitlines())
    return [(int(each[0]) / 1000, int(each[1]) / 1e6) for each in found]


def sampled(row: Row, marks: Marks, points: list[tuple[float, float]]) -> Sample:
    sample = Sample(ended=marks.ended)
    if marks.synced:
        sample.copy_seconds = marks.synced - marks.begun
        data_mib = row.size_mib if row.slow else row.size_mib / 2
        sample.copy_mib_per_second = data_mib / sample.copy_seconds
    before = [took for when, took in points if marks.begun - 3 <= when < marks.begun]
    copying = [took for when, took in points if marks.begun <= when < (marks.synced or float("inf"))]
    if before:
        sample.before_p50, sample.before_p999 = percentile(before, 50), percentile(before, 99.9)
    if copying:
        sample.copy_p50, sample.copy_p99, sample.copy_longest = percentile(copying, 50), percentile(copying, 99), max(copying)
    if marks.ended:
        # What is answered within it, and what waited through it and is answered just after.
        pivot = [took for when, took in points if marks.pivot <= when < marks.done + 0.3]
        sample.pivot_longest = max(pivot) if pivot else None
    return sample


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def nbdcopy(row: Row, directory: Path) -> float:
    """MiB of data per second, between two servers that use the files past the page cache."""
    source, target = directory / "swap-source.raw", directory / "swap-target.raw"
    sockets = directory / "from.sock", directory / "to.sock"
    for each in sockets:
        each.unlink(missing_ok=True)
    try:
        make_source(source, row.size_mib, 2)
        make_empty(target, row.size_mib)
        with Processes(directory) as processes:
            for name, file, listening in (("from", source, sockets[0]), ("to", target, sockets[1])):
                processes.start(name, ["qemu-nbd", "--cache=none", "--discard=unmap", "-f", "raw", "-k", listening,
                                       "--persistent", "--shared=8", file], listening.exists)
            began = time.monotonic()
            run(["nbdcopy", "--flush", f"nbd+unix:///?socket={sockets[0]}", f"nbd+unix:///?socket={sockets[1]}"], "nbdcopy")
            return row.size_mib / 2 / (time.monotonic() - began)
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def median(samples: list[Sample]) -> Sample:
    found = Sample(ended=all(each.ended for each in samples))
    for each in fields(Sample)[1:]:
        values = [value for value in (getattr(sample, each.name) for sample in samples) if value is not None]
        setattr(found, each.name, round(statistics.median(values), 3) if values else None)
    return found


def table(medians: dict[str, dict[str, Sample]], nbdcopy_rate: float | None) -> str:
    def number(value: float | None) -> str:
        return f"{value:>9.1f}" if value is not None else f"{'-':>9}"
    lines = []
    for row in ROWS:
        if row.name not in medians:
            continue
        lines += ["", f"{row.name}: {row.title}",
                  f"  {'':22} {'copy':>9} {'p50':>9} {'p50':>9} {'p99':>9} {'longest':>9} {'longest':>9}",
                  f"  {'':22} {'MiB/s':>9} {'before':>9} {'copying':>9} {'copying':>9} {'copying':>9} {'at pivot':>9}  ms"]
        for way, each in medians[row.name].items():
            lines.append(f"  {way:22} {number(each.copy_mib_per_second)} {number(each.before_p50)} {number(each.copy_p50)} "
                         f"{number(each.copy_p99)} {number(each.copy_longest)} {number(each.pivot_longest)}"
                         + ("" if each.ended else "  did not end"))
        if row.name == "no-load" and nbdcopy_rate:
            lines.append(f"  {'nbdcopy':22} {number(nbdcopy_rate)}")
    return "\n".join(lines[1:]) + "\n"


def picture(latencies: dict[str, list[tuple[float, float]]]) -> str:
    """The longest write of each tenth of a second, by way: of the last round under a steady load."""
    width, height, left, top = 900, 120, 150, 30
    ways = list(latencies)
    ends = max(when for points in latencies.values() for when, _ in points)
    begins = -3.0
    most = max(took for points in latencies.values() for when, took in points if when >= begins)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{top + len(ways) * (height + 30) + 30}" '
           'font-family="sans-serif" font-size="12">',
           f'<text x="{left}" y="18" font-size="14">Longest write of each tenth of a second, ms; the copy begins at 0 s</text>']
    for index, way in enumerate(ways):
        base = top + index * (height + 30) + height
        tenths: dict[int, float] = {}
        for when, took in latencies[way]:
            if when >= begins:
                tenths[int(when * 10)] = max(took, tenths.get(int(when * 10), 0))
        out.append(f'<text x="8" y="{base - height / 2}" fill="{COLOURS[way]}">{way}</text>')
        out.append(f'<line x1="{left}" y1="{base}" x2="{left + width}" y2="{base}" stroke="#888"/>')
        out.append(f'<text x="{left - 6}" y="{base - height + 10}" text-anchor="end">{most:.0f}</text>')
        for tenth, took in sorted(tenths.items()):
            x = left + (tenth / 10 - begins) / (ends - begins) * width
            out.append(f'<line x1="{x:.1f}" y1="{base}" x2="{x:.1f}" y2="{base - took / most * height:.1f}" '
                       f'stroke="{COLOURS[way]}" stroke-width="2"/>')
        zero = left + -begins / (ends - begins) * width
        out.append(f'<line x1="{zero:.1f}" y1="{base - height}" x2="{zero:.1f}" y2="{base}" stroke="#000" stroke-dasharray="3"/>')
    return "\n".join([*out, "</svg>"]) + "\n"


def about(options: argparse.Namespace, took_seconds: float) -> dict:
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "took_seconds": round(took_seconds),
        "rounds": options.rounds,
        "processors": os.cpu_count(),
        "linux": platform.release(),
        "java": first_line("java", "-version"),
        "qemu-storage-daemon": first_line("qemu-storage-daemon", "--version"),
        "nbdcopy": first_line("nbdcopy", "--version"),
        "fio": first_line("fio", "--version"),
    }


if __name__ == "__main__":
    sys.exit(main(parse, bench))
