"""The guest under test: its domain, its console, its workload, and a last look at its disks from outside."""

import os
import re
import subprocess
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import quoteattr

from .hosts import GUESTS, SHARED_DISKS, Followed, Host, Hosts
from .product import TRACES
from .report import Failure, expect, say
from .settings import COMMAND_SECONDS, GUEST_BOOT_SECONDS, LAB, LEFTOVERS_SECONDS, MIGRATION_SECONDS, ROUND_SECONDS, Options

HOT_BYTES = 1 << 20  # as in guest/init
NAMESPACE = "https://netchannel.io/domain/1"
LOOK_SECONDS = 0.1  # at what is here already

# What a healthy guest never says.
COMPLAINTS = re.compile(r"I/O error|FAILED|guest lacks|g\.e\. still in use|BUG:|Oops|Call Trace|blocked for more than"
                        r"|Kernel panic|Out of memory|talk_to_otherend")


MIRROR = "mirror:"  # then its legs, with a comma between them


@dataclass
class Disk:
    """One disk of the guest. `source`: what Netchannel's metadata says; None is a plain libxl disk, no metadata."""

    target: str  # xvda
    device: str  # /dev/vdb in both hosts
    source: str | None
    follow: str = ""  # the pool in which it gets a volume where its guest runs

    @property
    def libxl_made(self) -> bool:
        return self.source in (None, "inherit")


def source(disk: Disk) -> str:
    """The rest of its element: an attribute, or two legs."""
    if not disk.source.startswith(MIRROR):
        return f" source={quoteattr(disk.source)}{follow(disk)}/>"
    legs = "".join(f"<netchannel:leg source={quoteattr(leg)}/>" for leg in disk.source[len(MIRROR):].split(","))
    return f">{legs}</netchannel:disk>"


def follow(disk: Disk) -> str:
    return f" follow={quoteattr(disk.follow)}" if disk.follow else ""


def netchannel(target: str, device: str, filters: str = "") -> Disk:
    return Disk(target, device, (filters + "!" if filters else "") + "file:" + device)


def inherit(target: str, device: str) -> Disk:
    return Disk(target, device, "inherit")


def plain(target: str, device: str) -> Disk:
    return Disk(target, device, None)


@dataclass(frozen=True)
class Machine:
    """What a guest has that others have not."""

    memory_mib: int
    archive: str  # in /opt/lab of the hosts, unpacked over the initramfs
    mac: str = ""  # of its interface on the guests' network, if it has one
    vcpus: int = 1


class Guest:
    def __init__(self, name: str, hosts: Hosts, options: Options, disks: list[Disk], program: str = "",
                 machine: Machine | None = None, usb: dict[int, str] | None = None):
        self.name, self.hosts, self.disks, self.machine = name, hosts, disks, machine
        self.options = replace(options, guest_memory_mib=max(options.guest_memory_mib, machine.memory_mib)) if machine else options
        self.program = program  # what runs in the guest instead of fio
        self.usb = usb or {}  # what Netchannel's metadata says of its USB ports: the source of each
        self.host = hosts.a  # where it runs
        self.uuid = uuid.uuid4()
        self.consoles = hosts.both  # whose logs are its console
        self.log = f"/var/log/xen/console/guest-{name}.log"
        self.beside: set[str] = set()  # names of guests that a scenario runs at the same time
        self._followed: dict[Host, Followed] = {}  # its consoles

    # ------------------------------------------------------------ life

    def start(self, host: Host, keep_disks: bool = False) -> None:
        self.host = host
        if not keep_disks:
            self.blank_hot_blocks()
        for each in self.consoles:  # what an earlier run with --keep left
            each.run(f": >{self.log}; rm -f {TRACES}/{self.name}-*.jsonl")
        say(f"guest {self.name} starts on {host}")
        created = self.create(host)
        expect(created.returncode == 0, f"virsh create failed: {created.stderr.strip()}")
        self.wait_console(r"guest up", GUEST_BOOT_SECONDS, "the guest to boot")
        self.expect_backends()

    def blank_hot_blocks(self) -> None:
        """An earlier guest's blocks there have times of its own clock: watch.py would see them go back."""
        for disk in self.disks:
            if disk.device in SHARED_DISKS:
                with open(SHARED_DISKS[disk.device], "r+b") as raw:
                    raw.write(bytes(HOT_BYTES))
                    os.fsync(raw.fileno())

    def create(self, host: Host) -> subprocess.CompletedProcess:
        host.write("/run/lab.cpio", self.parameters())
        archives = ["guest.cpio", self.machine.archive] if self.machine else ["guest.cpio"]
        host.run(f"cd /opt/lab && cat {' '.join(archives)} /run/lab.cpio >/run/{self.name}.cpio")
        host.write(f"/run/{self.name}.xml", self.xml())
        return host.run(f"virsh -c xen:///system create /run/{self.name}.xml", check=False)

    def xml(self) -> str:
        devices = "".join(
            f"    <disk type='block' device='disk'><driver name='phy'/><source dev='{d.device}'/>"
            f"<target dev='{d.target}' bus='xen'/><shareable/></disk>\n" for d in self.disks if d.libxl_made)
        ours = "".join(f"      <netchannel:disk target='{d.target}'{source(d)}\n"
                       for d in self.disks if d.source)
        ours += "".join(f"      <netchannel:usb port='{port}' source={quoteattr(each)}/>\n" for port, each in self.usb.items())
        metadata = (f"  <metadata>\n    <netchannel:devices xmlns:netchannel='{NAMESPACE}'>\n{ours}"
                    "    </netchannel:devices>\n  </metadata>\n") if ours else ""
        interface = (f"    <interface type='bridge'><mac address='{self.machine.mac}'/><source bridge='{GUESTS}'/></interface>\n"
                     if self.machine and self.machine.mac else "")
        return (f"<domain type='xen'>\n  <name>{self.name}</name>\n  <uuid>{self.uuid}</uuid>\n{metadata}"
                f"  <memory unit='MiB'>{self.options.guest_memory_mib}</memory>\n  <vcpu>{self.machine.vcpus if self.machine else 1}</vcpu>\n"
                "  <os>\n    <type arch='x86_64' machine='xenpvh'>xenpvh</type>\n"
                f"    <kernel>/opt/lab/vmlinux</kernel>\n    <initrd>/run/{self.name}.cpio</initrd>\n"
                "    <cmdline>console=hvc0 quiet loglevel=5 mitigations=off</cmdline>\n  </os>\n"
                "  <on_crash>preserve</on_crash>\n"
                f"  <devices>\n{devices}{interface}    <console type='pty'><target type='xen'/></console>\n  </devices>\n</domain>\n")

    def parameters(self) -> bytes:
        """A second archive behind the initramfs: what this guest shall do."""
        with TemporaryDirectory() as directory:
            root = Path(directory)
            (root / "workload.fio").write_text(self.options.fio_job.read_text())
            (root / "lab.env").write_text(f"DISKS='{' '.join(d.target for d in self.disks)}'\n"
                                          f"ROUND={self.round_bytes()}\nSLOTS={self.options.slots}\n"
                                          f"PROGRAM='{self.program}'\n")
            names = "\n".join(p.name for p in root.iterdir()).encode()
            return subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], input=names, cwd=root,
                                  stdout=subprocess.PIPE, check=True).stdout

    def migrate(self, to: Host, rounds: int = 2) -> float:
        """`virsh migrate --live`, as a user types it. Returns the seconds it took; the guest runs at `to` and has verified
        so many rounds there."""
        seconds = self.move(to)
        self.verified_again(rounds)
        return seconds

    def move(self, to: Host, bound_seconds: float = MIGRATION_SECONDS) -> float:
        """The same, of a guest with another workload than fio."""
        began = time.monotonic()
        done = self.try_to_migrate(to, bound_seconds)
        seconds = round(time.monotonic() - began, 1)
        expect(done.returncode == 0, f"virsh migrate {self.host} -> {to} failed: {done.stderr.strip()}")
        self.host = to
        return seconds

    def expect_refused(self, to: Host, words: str) -> dict:
        """`virsh migrate` fails before the destination begins to build a domain, and says these words; the guest is where it was.
        Returns all that it says, and when."""
        console = self.console(to)
        began = time.monotonic()
        done = self.try_to_migrate(to)
        seconds, said = round(time.monotonic() - began, 1), done.stderr.strip()
        expect(done.returncode != 0, f"expected virsh migrate of {self.name} to be refused, it succeeded")
        expect(words in said, f"expected virsh to say `{words}`, it says: {said}")
        # Early: a domain that was ever made there, even for a moment, has said something on its console.
        expect(self.console(to) == console, "expected the refusal before the destination began to build the domain; "
                                            f"its console there says: {self.console(to)[-200:]}")
        self.expect_only_on(self.host)
        return {"refused_after_seconds": seconds, "message": said}

    def try_to_migrate(self, to: Host, seconds: float = MIGRATION_SECONDS) -> subprocess.CompletedProcess:
        say(f"virsh migrate --live {self.name} {self.host} -> {to}")
        return self.host.run(self.migrate_command(to), check=False, timeout=seconds)

    def migrate_command(self, to: Host) -> str:
        return f"virsh -c xen:///system migrate --live {self.name} xen+ssh://{to}/system"

    def destroy(self) -> None:
        """Ends the guest wherever it is; afterwards there is none."""
        while self._followed:
            self._followed.popitem()[1].close()
        for host in self.hosts.both:
            host.run(f"virsh -c xen:///system destroy {self.name} || xl destroy {self.name}", check=False)

    def expect_only_on(self, host: Host) -> None:
        """The guest runs on this host, and no other domain is there or on the other one, a zombie neither."""
        deadline = time.monotonic() + LEFTOVERS_SECONDS
        while True:
            # xl list: name, id, memory, VCPUs, state (running, blocked, paused, shut down, crashed, dying), time
            states = {h: [line for line in h.output("xl list | awk 'NR > 2 { print $1, $5 }'").splitlines()
                          if line.split()[0] not in self.beside] for h in self.hosts.both}
            if len(states[host]) == 1 and not states[self.hosts.other(host)]:
                found, state = states[host][0].split()
                if found == self.name and not set(state) & set("pscd"):
                    self.host = host
                    return
            expect(time.monotonic() < deadline, f"expected {self.name} to run on {host} and nowhere else; domains found: "
                   + ", ".join(f"{h}: {found}" for h, found in states.items()))
            time.sleep(1)

    def expect_nothing_left(self) -> None:
        """After the guest's end: no domain, a zombie neither, and no xenstore node of it or of its disks."""
        script = ("xl list | tail -n +3; xenstore-list /local/domain | grep -vx 0; "
                  "for type in netchannel netchannel-usb vbd; do xenstore-ls -f /local/domain/0/backend/$type 2>/dev/null; done; true")
        deadline = time.monotonic() + LEFTOVERS_SECONDS
        while True:
            left = [f"{h}: {line}" for h in self.hosts.both for line in h.output(script).splitlines()]
            if not left:
                return
            expect(time.monotonic() < deadline, f"{self.name} has ended, but {LEFTOVERS_SECONDS:.0f} s later there is "
                   "still: " + "; ".join(left[:6]))
            time.sleep(1)

    def expect_backends(self) -> None:
        """Every disk the metadata names is served by Netchannel, every other one by the kernel."""
        for disk in self.disks:
            devid = 202 << 8 | (ord(disk.target[3]) - ord("a")) << 4  # xvda is 51712
            path = self.host.output(f"xenstore-read /local/domain/$(xl domid {self.name})/device/vbd/{devid}/backend")
            wanted = "/backend/netchannel/" if disk.source else "/backend/vbd/"
            expect(wanted in path, f"expected {disk.target} at a backend of {wanted}, found {path.strip()}")

    # --------------------------------------------------------- console

    def console(self, host: Host | None = None) -> str:
        """All that was said up to now."""
        return "".join(h.output(f"cat {self.log}") for h in ([host] if host else self.consoles))

    def said(self) -> str:
        """What is known of it; the last words may be on their way."""
        for host in self.consoles:
            followed = self._followed.get(host)
            if not (followed and followed.is_live):
                self._followed[host] = host.follow(self.log)
        return "".join(self._followed[host].text for host in self.consoles)

    def type(self, line: str) -> None:
        self.host.run(f"printf '%s\\n' '{line}' >$(xenstore-read /local/domain/$(xl domid {self.name})/console/tty)")

    def wait_console(self, pattern: str, seconds: float, what: str) -> re.Match:
        """Until the console of either host shows the pattern; a complaint of the guest ends the wait."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.said()
            self.complain(text)
            found = re.search(pattern, text)
            if found:
                return found
            if time.monotonic() > deadline:
                self.explain()
                raise Failure(f"expected {what} within {seconds:.0f} s; the console ends with: {text[-400:].strip()}")
            time.sleep(LOOK_SECONDS)

    def explain(self) -> None:
        """Has a guest that does not get on show on its console, which is kept, what its workload waits for."""
        if self.host.run(f"xl domid {self.name}", check=False).returncode == 0:
            self.type("top -b -n 1 | head -n 15; cat /run/*.out; "
                      "for t in $(pidof fio); do grep . /proc/$t/task/*/stat /proc/$t/task/*/stack; done; "
                      "cat /proc/interrupts; cat /sys/block/xvd*/inflight")
            time.sleep(15)  # an emulated console; nothing depends on it

    @staticmethod
    def complain(text: str) -> None:
        complaint = COMPLAINTS.search(text)
        if complaint:
            line = text[text.rfind("\n", 0, complaint.start()) + 1:text.find("\n", complaint.end())]
            raise Failure(f"the guest says: {line.strip()}")

    # -------------------------------------------------------- workload

    def rounds(self) -> int:
        return max((int(k) for k in re.findall(r"fio round (\d+) ok", self.console())), default=0)

    def verified_again(self, rounds: int = 2) -> int:
        """Waits for so many more verified rounds; two, because the first may have begun before now."""
        return self.wait_round(self.rounds() + rounds, rounds)

    def wait_round(self, wanted: int, rounds: int = 1) -> int:
        """Waits for the round of this number, which is so many from now."""
        self.wait_console(rf"fio round {wanted} ok", ROUND_SECONDS * rounds, f"fio round {wanted}")
        return wanted

    def finish(self) -> int:
        """Stops the workload, lets the guest verify all it has written, destroys it and verifies the raw disks from
        outside. Returns the number of rounds."""
        say(f"guest {self.name}: last verification")
        self.type("stop")
        last = int(self.wait_console(r"fio final ok, last round (\d+)", ROUND_SECONDS * 2, "the last verification")[1])
        self.expect_only_on(self.host)
        self.destroy()
        self.expect_nothing_left()
        for disk in self.disks:
            self.verify_from_outside(disk, last)
        return last

    def round_bytes(self) -> int:
        return min(self.options.round_bytes, self.stride())

    def stride(self) -> int:
        return (self.options.disk_bytes - HOT_BYTES) // self.options.slots // 65536 * 65536

    def verify_from_outside(self, disk: Disk, last: int) -> None:
        """The same job, `verify_only`, on the file behind the disk, by the machine the lab runs on."""
        with TemporaryDirectory() as directory:
            job = Path(directory) / "verify.fio"
            job.write_text(re.sub(r"^\[global\]", "[global]\nverify_only", self.options.fio_job.read_text(), flags=re.M))
            for k in range(max(1, last - self.options.slots + 1), last + 1):
                environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DISK": str(SHARED_DISKS[disk.device]),
                               "OFFSET": str(HOT_BYTES + k % self.options.slots * self.stride()),
                               "SIZE": str(self.round_bytes()), "SEED": str(k)}
                done = subprocess.run(["fio", "--eta=never", job], env=environment, cwd=directory, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS)
                expect(done.returncode == 0, f"{disk.target} from outside: the slot of round {k} does not hold what "
                                             f"the guest wrote: {done.stdout.strip()[:600]}")
