"""What is measured on this machine: a server with a device, and a client that has it open.

    netchannel   UsbLoad: our client     --TCP, with or without TLS, or a Unix socket-->   netchannel daemon
    usbredir     UsbLoad: our client of that protocol       --TCP-->                       usbredirect

Devices: one that umockdev plays to the server by usbfs, an instance for each server; and ours in software.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from remotebench.processes import Processes, run
from remotebench.stacks import LAUNCHER, LOOPBACK, REPO, Place, free_port, is_socket

from .load import Endpoints, Load

JAR = REPO / "target" / "netchannel.jar"
SOURCES = REPO / "src" / "bench" / "java" / "io" / "netchannel" / "bench" / "usb"
PLAYER = REPO / "src" / "test" / "native" / "usbdevice.c"
MAIN = "io.netchannel.bench.usb.UsbLoad"
# As the launcher's: one client, one server, the same collector.
JAVA = ("java", "-Xmx256m", "-XX:MaxDirectMemorySize=1g", "-XX:+UseSerialGC", "-cp")

PLAYED = Endpoints(bulk_out="0x02", bulk_in="0x82")  # usbredirect polls an interrupt endpoint, without a pause where nothing paces the device
SOFTWARE = Endpoints(bulk_out="0x01", bulk_in="0x81", interrupt_in="0x82", isochronous_in="0x83")
VENDOR, PRODUCT, SERIAL = 0x1209, 0x0003, "NC42"
CONFIGURE = "ask 0 9 1 0"  # SET_CONFIGURATION 1
ISOCHRONOUS_SETTING = "ask 1 11 1 0"  # SET_INTERFACE, setting 1 of interface 0


@dataclass(frozen=True)
class Stack:
    product: str
    place: str  # of report.TITLES
    endpoints: Endpoints
    prepare: tuple[str, ...] = (CONFIGURE,)
    transport: str = "tcp"


STACKS = (
    Stack("netchannel", "umockdev", PLAYED),
    Stack("usbredir", "umockdev", PLAYED),
    *(Stack(f"netchannel-{transport}", "software", SOFTWARE, (CONFIGURE, ISOCHRONOUS_SETTING), transport)
      for transport in ("unix", "tcp", "tls")),
)


def compile_load(directory: Path) -> Path:
    classes = directory / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    javac = Path(os.environ["JAVA_HOME"]) / "bin" / "javac" if "JAVA_HOME" in os.environ else "javac"
    run([javac, "--release", "17", "-proc:none", "-d", classes, "-cp", JAR, *SOURCES.glob("*.java")], "compiling the load")
    return classes


def compile_player(directory: Path) -> None:
    flags = run(["pkg-config", "--cflags", "--libs", "umockdev-1.0"], "looking for umockdev").split()
    run(["gcc", "-O2", "-o", directory / "usbdevice", PLAYER, *flags], "compiling what plays a device")
    (directory / "device.umockdev").write_text(description())


def description() -> str:
    """The device that src/test/native/usbdevice.c plays, for umockdev: one interface, at high speed."""
    def endpoint(address: int, kind: int, packet: int) -> bytes:
        return bytes((7, 5, address, kind, packet & 0xff, packet >> 8, 4))
    interface = bytes((9, 4, 0, 0, 3, 0xff, 0, 0, 0)) + endpoint(0x81, 3, 8) + endpoint(0x02, 2, 512) + endpoint(0x82, 2, 512)
    device = bytes((18, 1, 0, 2, 0, 0, 0, 64, VENDOR & 0xff, VENDOR >> 8, PRODUCT & 0xff, PRODUCT >> 8, 0, 1, 0, 0, 1, 1))
    configuration = bytes((9, 2, 9 + len(interface), 0, 1, 1, 0, 0x80, 50))
    return f"""P: /devices/pci0000:00/0000:00:14.0/usb1/1-1
N: bus/usb/001/002
E: DEVNAME=/dev/bus/usb/001/002
E: DEVTYPE=usb_device
E: SUBSYSTEM=usb
E: BUSNUM=001
E: DEVNUM=002
A: busnum=1\\n
A: devnum=2\\n
A: devpath=1\\n
A: speed=480\\n
A: serial={SERIAL}\\n
A: bConfigurationValue=1\\n
H: descriptors={(device + configuration + interface).hex().upper()}

P: /devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0
E: DEVTYPE=usb_interface
E: SUBSYSTEM=usb
"""


def load(name: str, place: Place, *sources: str) -> Load:
    # Its log: a plugged device is told there, nothing of single requests.
    return Load(name, [*JAVA, f"{place.directory / 'classes'}:{JAR}", MAIN, place.certificates / "bench", *sources], place.directory)


@dataclass(frozen=True)
class Server:
    """Of ours."""
    directory: Path
    port: int
    plain: int

    def source(self, transport: str, export: str) -> str:
        return {
            "unix": f"netchannel+unix:///usb/{export}?socket={self.directory}/run/export.sock",
            "tcp": f"netchannel+tcp://{LOOPBACK}:{self.plain}/usb/{export}",
            "tls": f"netchannel://{LOOPBACK}:{self.port}/usb/{export}",
        }[transport]


def configuration(directory: Path, pki: Path, listen: int, plain: int, exports: dict[str, str]) -> str:
    """`exports`: a USB source by its name."""
    text = f"""
[daemon]
name = "bench"
guests = false
rehearse = false
run-directory = "{directory}/run"
state-directory = "{directory}/state"
[tls]
ca = "{pki}/CA/cacert.pem"
server-certificate = "{pki}/libvirt/servercert.pem"
server-key = "{pki}/libvirt/private/serverkey.pem"
client-certificate = "{pki}/libvirt/clientcert.pem"
client-key = "{pki}/libvirt/private/clientkey.pem"
[server]
listen = "{LOOPBACK}:{listen}"
plain = "{LOOPBACK}:{plain}"
"""
    return text + "".join(f'[[export]]\nname = "{name}"\nusb = "{source}"\nallow = ["bench"]\n' for name, source in exports.items())


@contextmanager
def server(place: Place, exports: dict[str, str], under: tuple[object, ...] = ()) -> Iterator[Server]:
    """Our daemon with these exports; `under`: what plays the devices to it."""
    directory = place.directory / "netchannel"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    found = Server(directory, free_port(), free_port())
    config = directory / "netchannel.toml"
    config.write_text(configuration(directory, place.certificates / "bench", found.port, found.plain, exports))
    with Processes(place.directory) as processes:
        processes.start("netchannel-server", [*under, LAUNCHER, "daemon", "--config", config],
                        lambda: is_socket(directory / "run" / "control.sock"), os.environ | {"JAVA_OPTS": " "})
        yield found


@contextmanager
def opened(stack: Stack, place: Place) -> Iterator[Load]:
    """The stack's server and its client, with the device open."""
    played = ("umockdev-wrapper", place.directory / "usbdevice", place.directory / "device.umockdev", -1)
    if stack.product == "usbredir":
        port = free_port()
        with Processes(place.directory) as processes:
            processes.start("usbredirect", [*played, "usbredirect", "--device", f"{VENDOR:04x}:{PRODUCT:04x}", "--as", f"{LOOPBACK}:{port}"],
                            lambda: listens(port))
            with load("usbredir-load", place, f"usbredir://{LOOPBACK}:{port}") as found:
                yield found
        return
    export, under = (f"usb:id={VENDOR:04x}:{PRODUCT:04x},serial={SERIAL}", played) if stack.place == "umockdev" else ("usb-soft:sourcesink", ())
    with server(place, {"device": export}, under) as running, load(f"{stack.product}-load", place, running.source(stack.transport, "device")) as found:
        yield found


def listens(port: int) -> bool:
    """Without a connection: usbredirect takes the first one for its client."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == "0A" and int(local.split(":")[1], 16) == port:
            return True
    return False
