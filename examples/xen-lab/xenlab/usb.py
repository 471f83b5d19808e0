"""USB devices of the hosts: plugged in and unplugged at any time."""

import gzip
import time

from .guest import Machine
from .hosts import Host
from .report import expect, say
from .settings import COMMAND_SECONDS, IMAGE
from .usb_devices import CONTROLLER, Device, Gadget
from .usb_image import ARCHIVE

MACHINE = Machine(memory_mib=160, archive=ARCHIVE)
LOOK_SECONDS = 0.1


def prepare(host: Host) -> None:
    """A guest of MACHINE may start there."""
    host.run(f"gunzip >/opt/lab/{ARCHIVE}", stdin=gzip.compress((IMAGE / ARCHIVE).read_bytes()))


def plug(host: Host, device: Device) -> None:
    """Dom0 has seen it afterwards. One that a scenario which failed has left there is unplugged before."""
    if is_there(host, device):
        unplug(host, device)
    say(f"{device.name} is plugged in at {host}, port {device.path}")
    if isinstance(device, Gadget):
        host.run(gadget_script(device))
    else:
        host.monitor(f"device_add {device.driver},id={device.name},bus={CONTROLLER}.0,port={device.port},serial={device.serial}")
    wait_port(host, device, there=True)


def unplug(host: Host, device: Device) -> None:
    say(f"{device.name} is unplugged from {host}")
    if isinstance(device, Gadget):
        host.run(f"echo >{gadget_directory(device)}/UDC")
    else:
        host.monitor(f"device_del {device.name}")
    wait_port(host, device, there=False)


def gadget_directory(device: Gadget) -> str:
    return f"/sys/kernel/config/usb_gadget/{device.name}"


def gadget_script(device: Gadget) -> str:
    """Linux' gadget, and a controller in software that is both ends of its cable."""
    vendor, product = device.id.split(":")
    directory, function = gadget_directory(device), f"functions/{device.driver}.0"
    return (f"set -e; modprobe -a dummy_hcd libcomposite usb_f_{device.driver}; "
            "mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; "
            f"if [ ! -d {directory} ]; then mkdir {directory}; cd {directory}; mkdir strings/0x409 configs/c.1 {function}; "
            f"echo 0x{vendor} >idVendor; echo 0x{product} >idProduct; "
            f"echo {device.name} >strings/0x409/product; echo {device.serial} >strings/0x409/serialnumber; ln -s {function} configs/c.1/; fi; "
            f"ls /sys/class/udc | grep -m 1 dummy >{directory}/UDC")


def wait_port(host: Host, device: Device, there: bool) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while is_there(host, device) != there:
        expect(time.monotonic() < deadline, f"expected {device.name} to be {'there' if there else 'gone'}: port {device.path} of {host}")
        time.sleep(LOOK_SECONDS)


def is_there(host: Host, device: Device) -> bool:
    """Dom0 has seen it."""
    return host.run(f"[ -e /sys/bus/usb/devices/{device.path}/serial ]", check=False).returncode == 0


def plugged(host: Host) -> list[str]:
    """What dom0 sees, as lsusb would say it: port, vendor and product, Mb/s, serial, product's name, drivers of its interfaces."""
    return host.output(
        "cd /sys/bus/usb/devices && for d in [0-9]*-[0-9]*; do case $d in *:*) continue;; esac; "
        "echo $d $(cat $d/idVendor):$(cat $d/idProduct) $(cat $d/speed) $(cat $d/serial) \"$(cat $d/product)\" "
        "$(for i in $d:*; do basename \"$(readlink $i/driver)\"; done); done").splitlines()
