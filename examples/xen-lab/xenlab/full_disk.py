"""A file system of Netchannel's on a host, without a byte left. Both are small and hold nothing else (lab-identity)."""

from contextlib import contextmanager

from .hosts import Host
from .report import LabError, say

RUN, STATE = "/run/netchannel", "/var/lib/netchannel"
FILLER = "lab-filler"
# fallocate takes what it can get at once, dd the blocks that are left, down to the last one.
FILL = ("cd {0} && {{ fallocate -l $(df -B1 --output=avail . | tail -n 1) {1}; dd if=/dev/zero of={1}-rest bs=4k; sync; "
        "df -B1 --output=avail . | tail -n 1; }} 2>/dev/null")
EMPTY = "rm -f {0}/{1} {0}/{1}-rest; sync"


@contextmanager
def full(host: Host, *directories: str):
    """Each is full while it lasts."""
    try:
        for directory in directories:
            say(f"{directory} of {host} is full")
            left = int(host.output(FILL.format(directory, FILLER)))
            if left >= 4096:
                raise LabError(f"{host}: expected {directory} to be full, {left} bytes are left")
        yield
    finally:
        for directory in directories:
            host.run(EMPTY.format(directory, FILLER))
        say(f"there is room on {host} again")
