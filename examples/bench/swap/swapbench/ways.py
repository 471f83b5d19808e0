"""Who exchanges: each serves the source by NBD on a Unix socket, and goes over to the target when it is told to."""

import json
import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from remotebench.processes import BenchError, Processes

REPO = Path(__file__).resolve().parents[4]
LAUNCHER = REPO / "xen-hooks" / "netchannel"
EXCHANGE_SECONDS = 120  # none takes longer, or it does not end


@dataclass
class Marks:
    """Seconds since the epoch."""
    begun: float = 0.0
    synced: float = 0.0
    pivot: float = 0.0
    done: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.done > 0


class Netchannel:
    name = "netchannel"

    def __init__(self, source: Path, target: str, directory: Path, direct: bool, processes: Processes,
                 begins_after: float):
        self.lines: list[tuple[float, str]] = []
        command = [LAUNCHER, "nbd-export", "-k", directory / "nbd.sock", "--swap-to", target, "--swap-after",
                   str(round(begins_after)), f"--cache={'none' if direct else 'writeback'}", source]
        # Also when empty: what is measured is the launcher's own choice, not this machine's /etc/default/netchannel.
        self.process = subprocess.Popen([str(each) for each in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=open(directory / "netchannel.log", "wb"), text=True,
                                        env=os.environ | {"JAVA_OPTS": " "})
        processes.started.append((self.name, self.process))
        threading.Thread(target=self._read, daemon=True).start()
        self._await("nbd", 60)
        self.uri = self.lines[0][1]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append((time.time(), line.strip()))

    def _find(self, text: str) -> float:
        return next((when for when, line in list(self.lines) if line.startswith(text)), 0.0)

    def _await(self, text: str, seconds: float) -> float:
        bound = time.monotonic() + seconds
        while not self._find(text):
            if time.monotonic() > bound:
                return 0.0
            if self.process.poll() is not None:
                raise BenchError(f"netchannel nbd-export ended with {self.process.returncode}; it said: {self.lines}")
            time.sleep(0.005)
        return self._find(text)

    def exchange(self) -> Marks:
        marks = Marks()
        marks.begun = self._await("swap: copying", 60)
        marks.synced = marks.pivot = self._await("swap: in sync", EXCHANGE_SECONDS)
        if marks.synced:
            marks.done = self._await("swap: done", EXCHANGE_SECONDS)
        marks.notes = [line for _, line in self.lines if "waits" in line]
        return marks


class Qemu:
    """A mirror job of qemu-storage-daemon behind its NBD export."""

    def __init__(self, name: str, mode: str, buffer_bytes: int, source: Path, target: str, directory: Path, direct: bool,
                 processes: Processes, begins_after: float):
        self.name, self.mode, self.buffer_bytes, self.begins_after = name, mode, buffer_bytes, begins_after
        self.uri = f"nbd+unix:///disk?socket={directory}/nbd.sock"
        cache = f"cache.direct={'on' if direct else 'off'},discard=unmap"
        if target.startswith("nbd+unix:"):
            to = ["--blockdev", f"driver=nbd,node-name=target,server.type=unix,server.path={target.split('socket=')[1]}"]
        else:
            to = ["--blockdev", f"driver=file,node-name=target-file,filename={target},{cache}",
                  "--blockdev", "driver=raw,node-name=target,file=target-file,discard=unmap"]
        monitor = directory / "qmp.sock"
        self.process = processes.start(name, [
            "qemu-storage-daemon",
            "--blockdev", f"driver=file,node-name=source-file,filename={source},{cache}",
            "--blockdev", "driver=raw,node-name=source,file=source-file,discard=unmap", *to,
            "--nbd-server", f"addr.type=unix,addr.path={directory}/nbd.sock",
            "--export", "type=nbd,id=export,node-name=source,name=disk,writable=on",
            "--chardev", f"socket,path={monitor},server=on,wait=off,id=monitor", "--monitor", "chardev=monitor",
        ], lambda: monitor.exists() and (directory / "nbd.sock").exists())
        self.events: list[str] = []
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(monitor))
        self.link = link.makefile("rw")
        self.link.readline()
        self._ask("qmp_capabilities")
        self.started = time.monotonic()

    def _ask(self, command: str, **arguments: object) -> object:
        self.link.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.link.flush()
        while True:
            answer = json.loads(self.link.readline())
            if "event" in answer:
                self.events.append(answer["event"])
            elif "error" in answer:
                raise BenchError(f"{self.name}: {command}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def exchange(self) -> Marks:
        marks = Marks()
        time.sleep(max(0.0, self.started + self.begins_after - time.monotonic()))
        marks.begun = time.time()
        more = {"buf-size": self.buffer_bytes} if self.buffer_bytes else {}
        self._ask("blockdev-mirror", **{"job-id": "mirror", "device": "source", "target": "target", "sync": "full",
                                        "copy-mode": self.mode, **more})
        bound = time.monotonic() + EXCHANGE_SECONDS
        while "BLOCK_JOB_READY" not in self.events:
            if time.monotonic() > bound or not self._ask("query-block-jobs"):
                return marks
            time.sleep(0.02)
        marks.synced = time.time()
        time.sleep(1)
        marks.pivot = time.time()
        self._ask("job-complete", id="mirror")
        while self._ask("query-block-jobs"):
            time.sleep(0.005)
        marks.done = time.time()
        return marks


WAYS = {
    "netchannel": lambda *place: Netchannel(*place),
    "qemu-write-blocking": lambda *place: Qemu("qemu-write-blocking", "write-blocking", 0, *place),
    "qemu-background": lambda *place: Qemu("qemu-background", "background", 0, *place),
    # Smaller copies make the guest wait less: the best setting that was found.
    "qemu-small-buffer": lambda *place: Qemu("qemu-small-buffer", "write-blocking", 256 << 10, *place),
}
