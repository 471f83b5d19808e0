"""Something happens to a host at an exact point of a migration.

What a point's file says, the daemon reads when it comes there (product.FAULTS). Here that file is a FIFO: both ends wait
in open() for the other, so the daemon stands still at the point until a script in its dom0 has ended, without a look
every so often on either side.
"""

import subprocess

from .hosts import Host
from .product import FAULTS
from .report import LabError, expect, say
from .settings import COMMAND_SECONDS

NOTHING_MORE = "hang 0ms"  # what the daemon then does there
REACHED = "lab: the point was reached"


class Interruption:
    """A context: the first time that the host's daemon comes to the point while it lasts, the script runs in its dom0, and
    only then the daemon goes on. At the end it is expected to have come there."""

    def __init__(self, host: Host, point: str, script: str):
        self.host, self.point, self.script = host, point, script
        self.fifo = f"{FAULTS}/{point}"
        self.output = ""

    def __enter__(self) -> "Interruption":
        say(f"at {self.point} of {self.host}: {self.script}")
        self.host.run(f"rm -rf {FAULTS} && mkdir -p {FAULTS} && mkfifo {self.fifo}")
        # Removed as soon as both have it open: another time nothing happens there.
        self.process = self.host.spawn(f"echo $$ >{self.fifo}.pid; exec 3>{self.fifo}; rm {self.fifo}; {{ {self.script}; }} 3>&- "
                                       f"&& echo '{REACHED}'; echo '{NOTHING_MORE}' >&3")
        return self

    def __exit__(self, kind, *_) -> None:
        reached = self.host.run(f"test ! -e {self.fifo}", check=False).returncode == 0
        if not reached:
            self.host.run(f"kill $(cat {self.fifo}.pid)", check=False)
        try:
            self.output = self.process.communicate(timeout=COMMAND_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
        finally:
            self.host.run(f"rm -rf {FAULTS}", check=False)
        if kind:
            return
        expect(reached, f"expected netchanneld on {self.host} to come to {self.point}, it did not")
        if REACHED not in self.output:
            raise LabError(f"{self.host}: `{self.script}` at {self.point} failed: {self.output.strip()}")
