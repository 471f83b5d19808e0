"""nbdkit plugin: a device in memory whose writes and flushes take a while. Loaded by nbdkit, not by the bench."""

import time

import nbdkit

API_VERSION = 2

settings = {"bytes": 0, "write": 0.0, "flush": 0.0}
memory = bytearray()


def config(key, value):
    if key == "bytes":
        settings["bytes"] = int(value)
        memory.extend(bytes(int(value)))
    elif key in ("write", "flush"):
        settings[key] = int(value) / 1000  # milliseconds
    else:
        raise RuntimeError(f"expected bytes, write or flush, found {key}")


def thread_model():
    return nbdkit.THREAD_MODEL_PARALLEL


def open(readonly):
    return 1


def get_size(handle):
    return settings["bytes"]


def can_flush(handle):
    return True


def pread(handle, buffer, offset, flags):
    buffer[:] = memory[offset:offset + len(buffer)]


def pwrite(handle, buffer, offset, flags):
    if settings["write"]:
        time.sleep(settings["write"])
    memory[offset:offset + len(buffer)] = buffer


def flush(handle, flags):
    time.sleep(settings["flush"])
