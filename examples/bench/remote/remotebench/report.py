"""Medians, ratios, the table, JSON and the picture."""

import json
from pathlib import Path

from xenlab import plot

from .load import WORKLOADS, Sample
from .stacks import PRODUCTS, TRANSPORTS

COLOURS = {"netchannel": "#1f77b4", "qemu": "#ff7f0e", "nbdkit": "#2ca02c"}

Results = dict[str, dict[str, dict[str, list[Sample]]]]  # transport, workload, product: one sample per round


def figures(results: Results) -> dict:
    """Per transport and workload: each product's median, rounds, and ours over the best of the others."""
    found: dict = {}
    for transport, workloads in results.items():
        for name, products in workloads.items():
            cell: dict = {}
            for product, samples in products.items():
                cell[product] = {
                    "median": plot.median([s.rate for s in samples]),
                    "latency_micros": plot.median([s.latency_micros for s in samples]),
                    "rounds": [s.rate for s in samples],
                }
            others = {product: value["median"] for product, value in cell.items() if product != "netchannel"}
            if "netchannel" in cell and others:
                best = max(others, key=lambda product: others[product])
                cell["best_peer"] = best
                cell["ratio"] = round(cell["netchannel"]["median"] / others[best], 3) if others[best] else None
            found.setdefault(transport, {})[name] = cell
    return found


def table(found: dict) -> str:
    lines = []
    for transport, cells in found.items():
        title = TRANSPORTS.get(transport, "straight to the server, Unix socket")
        lines += ["", title, f"  {'':36} {'unit':6} " + " ".join(f"{p:>10}" for p in PRODUCTS) + f" {'ratio':>7}  best peer"]
        for workload in WORKLOADS:
            cell = cells.get(workload.name)
            if cell:
                medians = " ".join(f"{cell[p]['median']:>10,.0f}" if p in cell else f"{'':>10}" for p in PRODUCTS)
                ratio = f"{cell['ratio']:>7.2f}  {cell['best_peer']}" if cell.get("ratio") is not None else ""
                lines.append(f"  {workload.title:36} {workload.unit:6} {medians} {ratio}")
    return "\n".join(lines[1:])


def picture(found: dict) -> str:
    """Each bar in units of the best peer's median, so that one scale fits all; from the worst round to the best."""
    panels = []
    for transport, cells in found.items():
        names = [w for w in WORKLOADS if w.name in cells]
        series = []
        for product in PRODUCTS:
            samples = []
            for workload in names:
                cell = cells[workload.name]
                best = cell[cell["best_peer"]]["median"] if "best_peer" in cell else 0
                rounds = cell.get(product, {"rounds": []})["rounds"]
                samples.append([rate / best for rate in rounds] if best else [])
            series.append(plot.Series(product, COLOURS[product], samples))
        panels.append((TRANSPORTS.get(transport, "straight to the server, Unix socket"), series))
    groups = [w.name for w in WORKLOADS if any(w.name in cells for cells in found.values())]
    return plot.chart("Remote disks: rate of the best peer = 1", groups, panels)


def write(found: dict, about: dict, directory: Path) -> None:
    (directory / "remote.json").write_text(json.dumps({"about": about, "results": found}, indent=2) + "\n")
    (directory / "remote.svg").write_text(picture(found))
