"""The USB devices of a host: those that QEMU emulates, with what its command line has for them, and one that dom0's kernel plays. Only
hosts of runs with USB scenarios have them."""

from dataclasses import dataclass
from pathlib import Path

from .settings import MIB, RUN

CONTROLLER = "usb"
STICK_BYTES = 64 * MIB
STICK_RAW = RUN / "stick.raw"  # one medium, wherever the stick is
WRITE = "scsi_disk_dma_command_WRITE"  # of QEMU's trace


@dataclass(frozen=True)
class Device:
    name: str
    driver: str  # QEMU's, with what it needs
    id: str  # vendor and product, as QEMU has them
    port: int  # of the controller; its number in the guest as well
    bus: int = 1  # 2: the controller's half for SuperSpeed

    @property
    def path(self) -> str:
        """As Linux calls the port."""
        return f"{self.bus}-{self.port}"

    @property
    def serial(self) -> str:
        return f"NC{self.port}"


@dataclass(frozen=True)
class Gadget(Device):
    """`driver`: a function of Linux' USB gadgets. It is at a controller in software, whose only port it has."""

    bus: int = 3

    @property
    def path(self) -> str:
        return f"{self.bus}-1"


KEYBOARD = Device("keyboard", "usb-kbd", "0627:0001", 1)
STICK = Device("stick", "usb-storage,drive=stick", "46f4:0001", 2, bus=2)
SERIAL = Device("serial", "usb-serial,chardev=serial,always-plugged=on", "0403:6001", 3)
AUDIO = Device("audio", "usb-audio,audiodev=audio", "46f4:0002", 4)
# A serial line of the class: Linux keeps 16 reads at it for as long as it is open. QEMU has none.
MODEM = Gadget("modem", "acm", "1d6b:0104", 5)
DEVICES = (KEYBOARD, STICK, SERIAL, AUDIO)


def arguments(directory: Path, sockets: Path) -> list[str]:
    """Of the QEMU of a host: a controller, and what the devices need that are plugged in later."""
    return ["-device", f"qemu-xhci,id={CONTROLLER}",
            "-blockdev", f"driver=raw,node-name=stick,cache.direct=on,file.driver=file,file.filename={STICK_RAW},file.locking=off",
            "-chardev", f"socket,id=serial,path={serial_socket(sockets, directory.name)},server=on,wait=off",
            "-audiodev", f"wav,id=audio,path={wav(directory)},out.frequency=48000",
            "-D", str(stick_log(directory)), "-trace", f"enable={WRITE}"]


def serial_socket(sockets: Path, host: str) -> Path:
    return sockets / f"{host}-serial"


def wav(directory: Path) -> Path:
    return directory / "audio.wav"


def stick_log(directory: Path) -> Path:
    """What the stick itself has done: a line for each write, as it gets there. Nothing else of a host is a SCSI disk."""
    return directory / "stick.log"


def make_medium() -> None:
    """Before the hosts start: an empty stick."""
    STICK_RAW.unlink(missing_ok=True)
    with open(STICK_RAW, "wb") as medium:
        medium.truncate(STICK_BYTES)
