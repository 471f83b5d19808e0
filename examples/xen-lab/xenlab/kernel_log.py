"""What a guest's kernel says from some moment on: whether it complains, and whether a USB device was plugged, reset or lost.

Its console shows warnings only; here it is the whole log, as `dmesg -r` has it: `<LEVEL>[SECONDS] text`.
"""

import re
from dataclasses import dataclass

from .guest import Guest
from .report import expect
from .settings import COMMAND_SECONDS

MARK, END = "lab: from here on", "lab: that is all"
INFORMATION = 14  # of a program: facility 1, level 6
WARNING = 4
LINE = re.compile(r"(?:^|\s)<(\d+)>\[ *[\d.]+\] (.*)$")  # behind the time of day of who keeps the console
# A device under the root hub. `new`: number, name, speed; the rest of an enumeration follows it.
PLUGGING = re.compile(r"^usb \d+-[\d.]+: (?:new |reset |USB disconnect|device descriptor|device not accepting|unable to enumerate)")
# What an emulated processor that has other things to do makes any kernel say.
USUAL = re.compile(r"^(?:clocksource: |hrtimer: interrupt took|sched: RT throttling)")


@dataclass(frozen=True)
class Findings:
    complaints: tuple[str, ...]
    plugging: tuple[str, ...]


class KernelLog:
    def __init__(self, guest: Guest):
        self.guest = guest
        self._looks = 0

    def mark(self) -> None:
        self.guest.type(f'echo "<{INFORMATION}>{MARK}" >/dev/kmsg')

    def expect_quiet(self) -> None:
        """Since the mark."""
        self._looks += 1
        end = f"{END} {self._looks}"
        self.guest.type(f'dmesg -r | sed -n "/{MARK}/,\\$p"; echo "{end}"')
        # The console has the mark once for each look.
        said = self.guest.wait_console(rf"(?s).*<{INFORMATION}>\[[^\n]*{MARK}(.*?){end}\b", COMMAND_SECONDS, "the guest's kernel log")
        found = findings(said[1])
        expect(not found.plugging, f"expected no USB device to be plugged anew, the guest's kernel says: {found.plugging[:5]}")
        expect(not found.complaints, f"expected a kernel without complaint, the guest's says: {found.complaints[:5]}")


def findings(log: str) -> Findings:
    complaints, plugging = [], []
    for line in log.splitlines():
        said = LINE.search(line.strip())
        if not said:
            continue
        priority, text = int(said[1]), said[2]
        if PLUGGING.match(text):
            plugging.append(text)
        if priority <= WARNING and not USUAL.match(text):  # of the kernel itself: facility 0
            complaints.append(text)
    return Findings(tuple(complaints), tuple(plugging))
