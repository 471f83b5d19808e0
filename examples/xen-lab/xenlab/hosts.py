"""The two emulated Xen hosts: boot, commands by ssh, stop."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from . import usb_devices
from .one_head import OneHead
from .report import LabError, say
from .settings import (ACCEL, BOOT_SECONDS, COMMAND_SECONDS, CPU, DOM0_MEMORY_MIB, HOST_MEMORY_MIB, IMAGE, RUN,
                       Options)

CLOCK_TRIES = 10

# Weights of dom0 under credit2; a guest has 256. With the great one a guest that keeps its disk busy does not starve
# the dom0 that serves it.
BUSY_GUEST, XENS_DEFAULT = 4096, 256

WIRE = "wire"  # the network between the hosts, as QEMU calls it

# The guests' network, of its own: on each host a bridge of this name, which has an interface to it and those of its guests, and
# a place on it for this machine. That one moves with no guest, so neither does the connection of a client here.
GUESTS = "guests"
GUESTS_NETWORK = "10.78.0.0/24"
DATABASE = ("10.78.0.9", 3306)  # where clients here get, by a port of this machine

STATE_DISK_SIZE = "64M"  # /dev/vdf of a host, its /var/lib/netchannel (dom0/files/usr/local/sbin/lab-identity)

SHARED_DISKS = {"/dev/vdb": RUN / "vdb.raw", "/dev/vdc": RUN / "vdc.raw"}  # the same files in both hosts


class Host:
    def __init__(self, name: str, number: int, ssh_port: int, wire: str, guests: list[str], sockets: Path, disk: OneHead, usb: bool = False):
        self.name, self.number, self.ssh_port, self.wire, self.guests, self.disk = name, number, ssh_port, wire, guests, disk
        self.sockets, self.usb = sockets, usb
        self.directory = RUN / name
        self.state_disk = self.directory / "state.raw"
        self.ssh_options = ["-i", str(IMAGE / "lab_key"), "-o", "StrictHostKeyChecking=no",
                            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20",
                            "-o", "ServerAliveInterval=15", "-o", "ControlMaster=auto", "-o", "ControlPersist=600",
                            "-o", f"ControlPath={sockets}/{name}"]
        self.process: subprocess.Popen | None = None

    def __str__(self) -> str:
        return self.name

    # ---------------------------------------------------------------- life

    def start(self, keep: bool) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        overlay = self.directory / "root.qcow2"
        overlay.unlink(missing_ok=True)
        self.state_disk.unlink(missing_ok=True)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-L", "state", self.state_disk, STATE_DISK_SIZE],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", IMAGE / "dom0.raw", overlay],
                       check=True)
        # Without --keep the kernel ends QEMU with us, however we end.
        guard = [] if keep else ["setpriv", "--pdeathsig", "KILL"]
        with open(self.directory / "qemu.log", "w") as log:
            self.process = subprocess.Popen(guard + self.qemu(overlay), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)

    def qemu(self, overlay: Path) -> list[str]:
        n = self.number
        xen = (f"dom0_mem={DOM0_MEMORY_MIB}M,max:{DOM0_MEMORY_MIB}M console=com1 com1=115200,8n1 bootscrub=0 "
               "loglvl=warning guest_loglvl=warning noreboot")
        linux = f"root=/dev/vda rw console=hvc0 lab.id={n} mitigations=off quiet loglevel=4"
        command = ["qemu-system-x86_64", "-name", self.name, "-machine", "q35,usb=off", "-accel", ACCEL, "-cpu", CPU,
                   "-smp", "1", "-m", str(HOST_MEMORY_MIB), "-uuid", f"6c616221-0000-4000-8000-00000000000{n}",
                   "-nodefaults", "-display", "none",
                   "-kernel", str(IMAGE / "xen"), "-append", xen,
                   "-initrd", f"{IMAGE}/vmlinux {linux},{IMAGE}/initrd.img",
                   "-drive", f"file={overlay},if=none,id=vda,cache=unsafe,discard=unmap",
                   "-device", "virtio-blk-pci,drive=vda"]
        for device, path in SHARED_DISKS.items():
            name = device.rpartition("/")[2]
            command += ["-blockdev", f"driver=raw,node-name={name},cache.direct=on,file.driver=file,"
                                     f"file.filename={path},file.locking=off",
                        "-device", f"virtio-blk-pci,drive={name},share-rw=on"]
        return command + self.disk.drives(self.name) + [
            "-drive", f"file={self.state_disk},format=raw,if=none,id=vdf,cache=unsafe",
            "-device", "virtio-blk-pci,drive=vdf",
            "-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.ssh_port}-10.0.2.15:22",
            "-device", f"virtio-net-pci,netdev=n0,mac=52:54:00:77:00:0{n},romfile=",
            "-netdev", f"socket,id={WIRE},{self.wire}",
            "-device", f"virtio-net-pci,netdev={WIRE},mac=52:54:00:77:01:0{n},romfile=",
            *self.guests,
            "-device", f"virtio-net-pci,netdev={GUESTS},mac=52:54:00:77:02:0{n},romfile=",
            "-device", "virtio-rng-pci",
            *(usb_devices.arguments(self.directory, self.sockets) if self.usb else ()),
            "-chardev", f"file,id=com1,path={self.directory}/console.log", "-serial", "chardev:com1",
            "-monitor", f"unix:{self.directory}/monitor.sock,server=on,wait=off",
            "-pidfile", str(self.directory / "pid")]

    def alive(self) -> bool:
        if self.process:
            return self.process.poll() is None
        try:
            os.kill(int((self.directory / "pid").read_text()), 0)
            return True
        except (OSError, ValueError):
            return False

    def wait_up(self) -> None:
        """Until libvirt's xen driver answers."""
        deadline = time.monotonic() + BOOT_SECONDS
        while self.run("virsh -c xen:///system version", check=False, timeout=60).returncode:
            if not self.alive():
                raise LabError(f"QEMU of {self} ended: {(self.directory / 'qemu.log').read_text()[-1000:]}")
            if time.monotonic() > deadline:
                raise LabError(f"expected {self} to answer within {BOOT_SECONDS:.0f} s; see {self.directory}/console.log")
            time.sleep(1)
        self.set_clock()
        self.dom0_weight(BUSY_GUEST)
        say(f"{self} is up")

    def dom0_weight(self, weight: int) -> None:
        """How much of the one emulated CPU dom0 gets when its guest wants it too."""
        self.run(f"xl sched-credit2 -d Domain-0 -w {weight}")

    def set_clock(self) -> None:
        """This machine's time, as exactly as ssh allows: an emulated clock chip knows whole seconds only."""
        ways = []
        for _ in range(CLOCK_TRIES):
            began = time.monotonic()
            self.run(f"date -s @{time.time() + min(ways, default=0):.3f}")
            ways.append((time.monotonic() - began) / 2)
            if len(ways) > 1 and ways[-1] <= 1.2 * min(ways):
                return  # as quick as any: half of it is the way there

    def stop(self) -> None:
        subprocess.run(["ssh", *self.ssh_options, "-O", "exit", "127.0.0.1"], capture_output=True)
        if self.process:
            self.process.kill()
            self.process.wait()
        elif self.alive():
            os.kill(int((self.directory / "pid").read_text()), signal.SIGKILL)
        (self.directory / "pid").unlink(missing_ok=True)

    def monitor(self, command: str) -> None:
        """A command to QEMU itself; one that it does not understand is an error of the lab."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(COMMAND_SECONDS)
            monitor.connect(str(self.directory / "monitor.sock"))
            read_until_prompt(monitor)
            monitor.sendall(command.encode() + b"\n")
            said = re.sub(r"\x1b\[[A-Z]", "", read_until_prompt(monitor))  # it echoes what is typed, with escapes
            if "Error" in said or "unknown command" in said:
                raise LabError(f"QEMU of {self}, told {command}: {said}")

    # ------------------------------------------------------------ commands

    def run(self, script: str, check: bool = True, timeout: float = COMMAND_SECONDS,
            stdin: bytes | None = None) -> subprocess.CompletedProcess:
        """Runs a shell script in dom0. A `check`ed one that fails is an error of the lab."""
        command = ["ssh", *self.ssh_options, "-p", str(self.ssh_port), "root@127.0.0.1", script]
        try:
            done = subprocess.run(command, input=stdin or b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=timeout)
        except subprocess.TimeoutExpired as late:
            if not check:
                return subprocess.CompletedProcess(command, 124, "", f"did not end within {timeout:.0f} s")
            raise LabError(f"{self}: `{script}` did not end within {timeout:.0f} s") from late
        done.stdout, done.stderr = (s.decode(errors="replace") for s in (done.stdout, done.stderr))
        if check and done.returncode:
            raise LabError(f"{self}: `{script}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done

    def output(self, script: str, **options) -> str:
        return self.run(script, **options).stdout

    def spawn(self, script: str) -> subprocess.Popen:
        """Starts a script in dom0 and goes on; the caller waits for it."""
        return subprocess.Popen(["ssh", *self.ssh_options, "-p", str(self.ssh_port), "root@127.0.0.1", script],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def follow(self, path: str) -> "Followed":
        """A file in dom0 that only grows; the caller closes it."""
        return Followed(self.spawn(f"exec tail -c +1 -F {shlex.quote(path)} 2>/dev/null"))

    def now(self) -> float:
        """Seconds since 1970, by its clock."""
        return float(self.output("date +%s.%N"))

    def write(self, path: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.run(f"mkdir -p {shlex.quote(os.path.dirname(path))} && cat >{shlex.quote(path)}", stdin=data)


class Followed:
    """What a file in dom0 says so far. One command there tells what is added: a look by a command of its own takes an emulated
    host a second or more of its only CPU, and mostly nothing has changed."""

    def __init__(self, tail: subprocess.Popen):
        self.text = ""
        self._tail = tail
        self._thread = threading.Thread(target=self._read, name="tail", daemon=True)
        self._thread.start()

    @property
    def is_live(self) -> bool:
        """False when the connection has ended: the text grows no more."""
        return self._thread.is_alive()

    def close(self) -> None:
        self._tail.terminate()
        self._thread.join()
        self._tail.stdout.close()
        self._tail.wait()

    def _read(self) -> None:
        for line in self._tail.stdout:
            self.text += line


class Hosts:
    """Both hosts. Use as a context: everything started is stopped at the end, unless the user wants to keep it."""

    def __init__(self, options: Options, usb: bool = False):
        self.options, self.usb = options, usb
        self.state = RUN / "state.json"  # ports of hosts kept by an earlier run
        kept = json.loads(self.state.read_text()) if self.state.exists() else None
        ports = kept or {name: free_port() for name in ("hosta", "hostb", WIRE, GUESTS, "database")} | {
            "sockets": tempfile.mkdtemp(prefix="xen-lab-"), "usb": usb}
        sockets = Path(ports["sockets"])
        self.ports, self.kept = ports, kept is not None
        self.has_usb = ports.get("usb", False)
        self.disk = OneHead(sockets)  # /dev/vdd in both
        self.a = Host("hosta", 1, ports["hosta"], f"listen=127.0.0.1:{ports[WIRE]}", guests_and_clients(ports), sockets, self.disk,
                      self.has_usb)
        self.b = Host("hostb", 2, ports["hostb"], f"connect=127.0.0.1:{ports[WIRE]}",
                      ["-netdev", f"socket,id={GUESTS},connect=127.0.0.1:{ports[GUESTS]}"], sockets, self.disk, self.has_usb)
        self.both = (self.a, self.b)

    @contextmanager
    def fair_share(self):
        """Xen's own weights while it lasts: else what is measured is mostly a guest that waits for the CPU."""
        for host in self.both:
            host.dom0_weight(XENS_DEFAULT)
        try:
            yield
        finally:
            for host in self.both:
                host.dom0_weight(BUSY_GUEST)

    @contextmanager
    def wire_cut(self):
        """Nothing passes between the hosts while it lasts, in either direction."""
        say("the wire between the hosts is cut")
        self.a.monitor(f"set_link {WIRE} off")
        try:
            yield
        finally:
            self.a.monitor(f"set_link {WIRE} on")
            say("the wire is whole again")

    def other(self, host: Host) -> Host:
        return self.b if host is self.a else self.a

    def __enter__(self) -> "Hosts":
        if self.kept and all(host.alive() for host in self.both):
            if self.usb and not self.has_usb:
                raise LabError("expected hosts with USB, those kept by an earlier run have none; end them: run --stop")
            say("hosts kept by an earlier run")
            return self
        RUN.mkdir(parents=True, exist_ok=True)
        for path in SHARED_DISKS.values():
            path.unlink(missing_ok=True)
            with open(path, "wb") as disk:
                disk.truncate(self.options.disk_bytes)
        if self.usb:
            usb_devices.make_medium()
        say("booting hosta and hostb")
        try:
            self.disk.start(self.options.keep)
            self.a.start(self.options.keep)
            for network in (WIRE, GUESTS):
                wait_for_listener(self.ports[network], self.a)
            self.b.start(self.options.keep)
            for host in self.both:
                host.wait_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self.options.keep:
            self.state.write_text(json.dumps(self.ports))
            for host in self.both:
                say(f"kept: ssh -i {IMAGE}/lab_key -o StrictHostKeyChecking=no -p {host.ssh_port} root@127.0.0.1  # {host}")
            say("kept until `run --stop`")
        else:
            self.stop()

    def stop(self) -> None:
        for host in self.both:
            host.stop()
        self.disk.stop()
        self.state.unlink(missing_ok=True)
        shutil.rmtree(self.ports["sockets"], ignore_errors=True)


def guests_and_clients(ports: dict) -> list[str]:
    """The guests' network, where its first host's QEMU joins it: a hub with that host, the other one, and this machine."""
    address, port = DATABASE
    ends = {"other": f"socket,listen=127.0.0.1:{ports[GUESTS]}",
            "clients": f"user,restrict=on,net={GUESTS_NETWORK},hostfwd=tcp:127.0.0.1:{ports['database']}-{address}:{port}"}
    netdevs = [f"{kind},id={name}" for name, kind in ends.items()] + [f"hubport,id=to-{name},hubid=0,netdev={name}" for name in ends]
    return [word for netdev in (*netdevs, f"hubport,id={GUESTS},hubid=0") for word in ("-netdev", netdev)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_until_prompt(monitor: socket.socket) -> str:
    said = b""
    while not said.endswith(b"(qemu) "):
        more = monitor.recv(4096)
        if not more:
            raise LabError(f"QEMU's monitor ended: {said.decode(errors='replace')}")
        said += more
    return said.decode(errors="replace")


def wait_for_listener(port: int, host: Host) -> None:
    """hostb's QEMU connects to hosta's at start, so that one must listen first. Looks without connecting: QEMU takes
    one connection only."""
    wanted = f"0100007F:{port:04X}"
    for _ in range(200):
        if any(line.split()[1] == wanted and line.split()[3] == "0A"
               for line in Path("/proc/net/tcp").read_text().splitlines()[1:]):
            return
        if not host.alive():
            raise LabError(f"QEMU of {host} ended: {(host.directory / 'qemu.log').read_text()[-1000:]}")
        time.sleep(0.05)
    raise LabError(f"QEMU of {host} does not listen on port {port}")
