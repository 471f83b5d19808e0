"""fio, as a client of NBD servers."""

import json
from dataclasses import dataclass

from .processes import run

RAMP_SECONDS = 0.5  # not counted: connections, first touches
SEQUENTIAL_DEPTH = 4


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    pattern: str
    block: str
    depth: int
    unit: str

    @property
    def writes(self) -> bool:
        return self.pattern.endswith("write")


WORKLOADS = (
    Workload("randread-qd1", "4 KiB random read, queue depth 1", "randread", "4k", 1, "IOPS"),
    Workload("randread-qd32", "4 KiB random read, queue depth 32", "randread", "4k", 32, "IOPS"),
    Workload("randwrite-qd1", "4 KiB random write, queue depth 1", "randwrite", "4k", 1, "IOPS"),
    Workload("randwrite-qd32", "4 KiB random write, queue depth 32", "randwrite", "4k", 32, "IOPS"),
    Workload("read-1m", f"1 MiB sequential read, queue depth {SEQUENTIAL_DEPTH}", "read", "1m", SEQUENTIAL_DEPTH, "MiB/s"),
    Workload("write-1m", f"1 MiB sequential write, queue depth {SEQUENTIAL_DEPTH}", "write", "1m", SEQUENTIAL_DEPTH, "MiB/s"),
)


@dataclass
class Sample:
    """Of one run of fio: requests or MiB per second, and the mean time of one request in microseconds."""
    rate: float
    latency_micros: float


def measure(workload: Workload, uri: str, seconds: float, size_bytes: int) -> Sample:
    said = run(
        ["fio", "--name=bench", "--output-format=json", "--ioengine=nbd", f"--uri={uri}", f"--rw={workload.pattern}",
         f"--bs={workload.block}", f"--iodepth={workload.depth}", f"--size={size_bytes}", "--norandommap", "--randrepeat=0",
         "--time_based", f"--runtime={seconds}", f"--ramp_time={RAMP_SECONDS}", "--thread"],
        f"fio, {workload.title}, {uri}")
    found = json.loads(said[said.index("{"):])  # notes come first
    job = found["jobs"][0]
    side = job["write" if workload.writes else "read"]
    rate = side["bw_bytes"] / (1 << 20) if workload.unit == "MiB/s" else side["iops"]
    return Sample(round(rate, 1), round(side["lat_ns"]["mean"] / 1000, 2))
