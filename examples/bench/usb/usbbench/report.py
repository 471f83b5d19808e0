"""Figures, table and goals, from samples."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from xenlab.auction_report import percentile
from xenlab.plot import median

from .load import WORKLOADS, Sample, Workload

MIB = 1 << 20
# Place, workload, product: a sample of each round.
Results = dict[str, dict[str, dict[str, list[Sample]]]]
TITLES = {
    "umockdev": "on this machine, a device played by umockdev",
    "software": "on this machine, our device in software",
    "machine": "in one emulated machine, the kernel's SourceSink behind dummy_hcd",
}
PACKET_MICROS = 1000
REQUEST_PACKETS = 8


def of(workload: Workload, samples: list[Sample]) -> dict:
    """p50 and p99 of all its requests; the median of its rounds' rates."""
    if workload.kind == "isochronous":
        period = REQUEST_PACKETS * PACKET_MICROS
        jitter = [abs(after - before - period) for each in samples for before, after in zip(each.ends, each.ends[1:])]
        return {"jitter_p50_micros": percentile(jitter, 0.5), "jitter_p99_micros": percentile(jitter, 0.99),
                "underruns": sum(each.missed for each in samples)}
    micros = [each for sample in samples for each in sample.micros]
    return {"p50_micros": percentile(micros, 0.5), "p99_micros": percentile(micros, 0.99),
            "mib_per_second": round(median([each.bytes / MIB / each.seconds for each in samples]), 2)}


def figures(results: Results) -> dict:
    by_name = {workload.name: workload for workload in WORKLOADS}
    return {place: {name: {product: of(by_name[name], samples) for product, samples in products.items()}
                    for name, products in workloads.items()}
            for place, workloads in results.items()}


def goals(found: dict, cuts: dict | None, many: dict | None) -> list[dict]:
    """`found`: what `figures` returns; `cuts` and `many`: what cuts.py and stacks.py tell; None: not measured."""
    reached: list[dict] = []

    def goal(name: str, wanted: str, value: float | None, met: bool) -> None:
        reached.append({"name": name, "goal": wanted, "found": None if value is None else round(value, 3), "met": met})

    def ratios(peer: str, place: str, key: str, wanted: Iterable[Workload]) -> list[float | None]:
        return [ratio(found[place].get(workload.name, {}), peer, key) for workload in wanted]

    def ratio(cell: dict, peer: str, key: str) -> float | None:
        ours, theirs = cell.get("netchannel"), cell.get(peer)
        return ours[key] / theirs[key] if ours and theirs and theirs[key] else None

    def worst(name: str, values: list[float | None], limit: float, most: bool) -> None:
        """The goal is each one's, so the worst has to reach it; none of them may be missing."""
        value = None if None in values else (max if most else min)(values)
        met = value is not None and (value <= limit if most else value >= limit)
        goal(name, f"at {'most' if most else 'least'} {limit}", value, met)

    small = [workload for workload in WORKLOADS if workload.small]
    large = [workload for workload in WORKLOADS if workload.large]
    if has(found, "machine", "usbip"):
        worst("p50 of small requests over usbip's, the worst", ratios("usbip", "machine", "p50_micros", small), 0.7, True)
        worst("64 KiB throughput over usbip's, the worst", ratios("usbip", "machine", "mib_per_second", large), 1.3, False)
    for place in ("machine", "umockdev"):
        if has(found, place, "usbredir"):
            worst(f"64 KiB throughput over usbredir's, the worst, {place}",
                  ratios("usbredir", place, "mib_per_second", large), 1.0, False)
    if cuts:
        goal("cuts", f"at least {cuts['wanted']}", cuts["cuts"], cuts["cuts"] >= cuts["wanted"])
        lost = cuts["lost_words"] + cuts["doubled_words"]
        goal("words lost or doubled over the cuts", "0", lost, lost == 0 and cuts["sent_words"] > 0 and cuts["read_words"] > 0)
        goal("requests that failed over the cuts", "0", cuts["errors"], cuts["errors"] == 0)
    if many:
        goal("devices on one daemon that answer all", f"at least {many['wanted']}", many["devices"],
             many["devices"] >= many["wanted"])
    return reached


def has(found: dict, place: str, product: str) -> bool:
    return any(product in cell for cell in found.get(place, {}).values())


def table(found: dict) -> str:
    lines = []
    for place, cells in found.items():
        products = list(dict.fromkeys(product for cell in cells.values() for product in cell))
        lines += ["", TITLES[place], f"  {'':42}" + "".join(f"{product:>22}" for product in products)]
        for workload in WORKLOADS:
            cell = cells.get(workload.name)
            if cell:
                lines.append(f"  {workload.title:42}" + "".join(f"{text(workload, cell.get(product)):>22}" for product in products))
    lines.append("\n  p50 / p99 in us, for 64 KiB MiB/s; isochronous: jitter and packets missed")
    return "\n".join(lines[1:])


def text(workload: Workload, cell: dict | None) -> str:
    if cell is None:
        return ""
    if "underruns" in cell:
        return f"{cell['jitter_p50_micros']} / {cell['jitter_p99_micros']}, {cell['underruns']} missed"
    return f"{cell['mib_per_second']:.1f} MiB/s" if workload.large else f"{cell['p50_micros']} / {cell['p99_micros']}"


def write(directory: Path, about: dict, found: dict, results: Results, cuts: dict | None, many: dict | None,
          reached: list[dict]) -> None:
    samples = {place: {name: {product: [asdict(each) for each in rounds] for product, rounds in products.items()}
                       for name, products in workloads.items()} for place, workloads in results.items()}
    (directory / "usb.json").write_text(json.dumps({
        "about": about, "results": found, "cuts": cuts, "many": many, "samples": samples, "goals": reached}) + "\n")
