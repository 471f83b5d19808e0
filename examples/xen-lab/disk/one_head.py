"""A disk with one head, for nbdkit's Python plugin: requests of all connections are served one after the other, each
for the same time, whatever it is. A connection's requests can be held by area until they are released.

An export is named HOST/disk or HOST/control. The disk's lower half is the area `fast`, the upper half `slow`. To the
export `control` one writes a sector with a line of text, read back it tells what was served to its host:

    hold|release fast|slow|all [HOST]     of HOST's requests, or of those of the host that writes; hold clears the counts
    note ...                              only goes to the log: who writes can compare its clock with the log's
    -> fast-done=5 slow-done=0 waiting=2

The log has one JSON object a line, `t` in microseconds since 1970:

    {"t":1,"e":"arrive","host":"hosta","n":7,"op":"write","off":4096,"len":4096}
    {"t":1,"e":"done","host":"hosta","n":7,"start":1}      start: when the head began with it
    {"t":1,"e":"say","host":"hosta","text":"release fast"}

Parameters: file, log, size (bytes), service (microseconds per request).
"""

import builtins
import errno
import json
import os
import threading
import time

import nbdkit

API_VERSION = 2
AREAS = ("fast", "slow")
CONTROL_BYTES = 65536  # more than any kernel looks through for partitions

settings: dict[str, str] = {}
changed = threading.Condition()  # its lock guards all below
held: set[tuple[str, str]] = set()  # (host, area)
served: dict[tuple[str, str], int] = {}
waiting: dict[str, int] = {}
numbers = 0
head_free = 0.0  # monotonic seconds: when the head has done all it was given


def config(key, value):
    settings[key] = value


def config_complete():
    missing = {"file", "log", "size", "service"} - settings.keys()
    if missing:
        raise RuntimeError(f"expected the parameters {', '.join(sorted(missing))}")


def get_ready():
    global log, disk
    log = builtins.open(settings["log"], "a", buffering=1)
    disk = os.open(settings["file"], os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(disk, int(settings["size"]))
    try:  # a disk keeps its time, whatever else wants the CPUs; threads inherit it
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        nbdkit.debug("not allowed to be ahead of other processes")


def thread_model():
    return nbdkit.THREAD_MODEL_PARALLEL


def open(_readonly):  # noqa: A001 - the name nbdkit calls; hence builtins.open above
    host, _, kind = nbdkit.export_name().partition("/")
    if kind not in ("disk", "control"):
        nbdkit.set_error(errno.ENOENT)
        raise RuntimeError(f"expected an export HOST/disk or HOST/control, found {nbdkit.export_name()}")
    return host, kind == "control"


def get_size(handle):
    return CONTROL_BYTES if handle[1] else int(settings["size"])


def can_flush(_handle):
    return True


def flush(_handle, _flags):
    """Nothing to do: there is no cache, what was answered is on the disk."""


def can_fua(_handle):
    return nbdkit.FUA_NATIVE


def can_multi_conn(_handle):
    return True


def pread(handle, buffer, offset, _flags):
    host, control = handle
    if control:
        text = status(host).encode()
        buffer[:] = (bytes(offset) + text)[offset:].ljust(len(buffer), b"\0")[:len(buffer)]
    else:
        with Service(host, "read", offset, len(buffer)):
            buffer[:] = os.pread(disk, len(buffer), offset)


def pwrite(handle, buffer, offset, _flags):
    host, control = handle
    if control:
        obey(host, bytes(buffer).rstrip(b"\0").decode().strip())
    else:
        with Service(host, "write", offset, len(buffer)):
            os.pwrite(disk, bytes(buffer), offset)


class Service:
    """The time of one request at the disk; the data move at its end."""

    def __init__(self, host, op, offset, length):
        self.host, self.op, self.offset, self.length = host, op, offset, length
        self.area = AREAS[offset >= int(settings["size"]) // 2]

    def __enter__(self):
        global numbers, head_free
        service = int(settings["service"]) / 1e6
        with changed:
            numbers += 1
            self.number = numbers
            note("arrive", self.host, n=self.number, op=self.op, off=self.offset, len=self.length)
            waiting[self.host] = waiting.get(self.host, 0) + 1
            while (self.host, self.area) in held:
                changed.wait()
            # Booked by time, not by turns: a thread that wakes late does not make the next one later.
            now = time.monotonic()
            begin = max(now, head_free)
            head_free = end = begin + service
            self.start = micros() + round((begin - now) * 1e6)
        time.sleep(max(0.0, end - time.monotonic()))

    def __exit__(self, *_):
        with changed:
            key = (self.host, self.area)
            served[key] = served.get(key, 0) + 1
            waiting[self.host] -= 1
            note("done", self.host, n=self.number, start=self.start)


def obey(host, text):
    with changed:
        note("say", host, text=text)
        verb, *words = text.split()
        if verb == "note":
            return
        if verb not in ("hold", "release") or len(words) not in (1, 2) or words[0] not in AREAS + ("all",):
            nbdkit.set_error(errno.EINVAL)
            raise RuntimeError(f"expected hold|release fast|slow|all [HOST], found {text!r}")
        whose = words[1] if len(words) == 2 else host
        keys = {(whose, area) for area in AREAS if words[0] in (area, "all")}
        if verb == "hold":
            held.update(keys)
            for area in AREAS:
                served.pop((whose, area), None)
        else:
            held.difference_update(keys)
            changed.notify_all()


def status(host):
    with changed:
        return "".join(f"{area}-done={served.get((host, area), 0)} " for area in AREAS) + f"waiting={waiting.get(host, 0)}\n"


def note(event, host, **more):
    log.write(json.dumps({"t": micros(), "e": event, "host": host} | more, separators=(",", ":")) + "\n")


def micros():
    return time.time_ns() // 1000
