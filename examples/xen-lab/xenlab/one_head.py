"""The lab's end of the disk with one head (disk/one_head.py): serves it to both hosts, tells it what to hold, reads its log."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .report import LabError
from .settings import LAB, RUN

SIZE_BYTES = 64 << 20
SERVICE_MICROS = 2700  # what the paper's figures suggest for one request
# As many as a host sends at once and more: QEMU keeps 16 outstanding on a connection.
THREADS = 64
SECTOR_BYTES = 512
START_SECONDS = 20
COMMAND_SECONDS = 20


class OneHead:
    """/dev/vdd is the disk in both hosts, /dev/vde the way to talk to it."""

    def __init__(self, sockets: Path):
        self.socket = sockets / "disk.sock"
        self.pid_file = RUN / "disk.pid"
        self.file = RUN / "vdd.raw"
        self.log_file = RUN / "vdd.jsonl"
        self.process: subprocess.Popen | None = None

    def start(self, keep: bool) -> None:
        for path in (self.file, self.log_file, self.socket, self.pid_file):
            path.unlink(missing_ok=True)
        guard = [] if keep else ["setpriv", "--pdeathsig", "KILL"]
        command = [*guard, "nbdkit", "--foreground", "--threads", str(THREADS), "--unix", self.socket,
                   "--pidfile", self.pid_file, "python", LAB / "disk/one_head.py", f"file={self.file}",
                   f"log={self.log_file}", f"size={SIZE_BYTES}", f"service={SERVICE_MICROS}"]
        with open(RUN / "disk.log", "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not self.pid_file.exists():  # nbdkit writes it when it listens
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"expected nbdkit to serve the disk: {(RUN / 'disk.log').read_text()[-1000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            return
        try:  # of hosts kept by an earlier run
            pid = int(self.pid_file.read_text())
            if "nbdkit" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            return

    def drives(self, host: str) -> list[str]:
        """Arguments of a host's QEMU. write-cache=off: what was answered is on the disk, no flush needed."""
        arguments = []
        for name, export in (("vdd", "disk"), ("vde", "control")):
            arguments += ["-blockdev", f"driver=nbd,node-name={name},server.type=unix,server.path={self.socket},"
                                       f"export={host}/{export},cache.direct=on",
                          "-device", f"virtio-blk-pci,drive={name},share-rw=on,write-cache=off"]
        return arguments

    def say(self, text: str) -> None:
        """A line to the disk: see disk/one_head.py."""
        sector = self.socket.with_suffix(".line")
        sector.write_bytes(text.encode().ljust(SECTOR_BYTES, b"\0"))
        done = subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -q -s {sector} 0 {SECTOR_BYTES}",
                               f"nbd+unix:///lab/control?socket={self.socket}"],
                              capture_output=True, text=True, timeout=COMMAND_SECONDS)
        if done.returncode or done.stderr:
            raise LabError(f"the disk refused `{text}`: {done.stdout}{done.stderr}")

    def log_size(self) -> int:
        return self.log_file.stat().st_size

    def log(self, since: int = 0) -> list[dict]:
        """Its entries since the log had this size."""
        with open(self.log_file, "rb") as log:
            log.seek(since)
            lines = log.read().split(b"\n")[:-1]  # the last one may not be whole yet
        return [json.loads(line) for line in lines]

    def keep_log(self, directory: Path) -> None:
        shutil.copy(self.log_file, directory / "disk.jsonl")
