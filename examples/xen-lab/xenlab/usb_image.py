"""What a guest with USB devices has besides: an archive to be unpacked over the initramfs. Built when a scenario wants it, not before:
it needs 140 MB of packages, and half a minute the first time.

Debian's kernel comes without xen-hcd, the frontend of PVUSB. It is compiled here from Debian's own source, in two forms: stock, and
fixed, as xen-hooks/guest makes it in a guest.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .guest_image import MODULES, command, compile_programs, copy_modules, pack
from .image import ROOTFS, digest, kernel_version, up_to_date, write_key
from .report import LabError, say
from .settings import IMAGE, LAB, REPO

ARCHIVE = "usb.cpio"
SOURCES = LAB / "usb"
DEBIAN = LAB.parent / "debian.sh"
FIXED_DRIVER = REPO / "xen-hooks" / "guest"
DRIVER = "drivers/usb/host/xen-hcd.c"
# What devices may need: keyboard; stick; serial line, of FTDI and of the class; sound.
USB_MODULES = ("usbhid", "hid-generic", "evdev", "usb-storage", "sd_mod", "crc32c_generic", "crct10dif_generic", "ftdi_sio", "cdc-acm", "snd-usb-audio")


def build() -> None:
    """Brings the archive up to date; the image must be."""
    version = kernel_version(ROOTFS)
    key = digest(version, SOURCES, FIXED_DRIVER, LAB / "xenlab/usb_image.py", LAB / "xenlab/guest_image.py")
    if up_to_date(ARCHIVE, key, IMAGE / ARCHIVE):
        return
    say("image: USB for a guest, with xen-hcd from Debian's kernel source")
    install_packages(f"linux-source-{source_version(version)}", f"linux-headers-{version}", "make", "xz-utils")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "root"
        for name in ("bin", "lib/xen-hcd", f"lib/modules/{version}"):
            (root / name).mkdir(parents=True)
        copy_modules(ROOTFS, version, root, MODULES + USB_MODULES)
        source = driver_source(version, Path(temporary))
        for form in ("stock", "fixed"):
            directory = driver_directory(Path(temporary) / form)
            if form == "stock":
                shutil.copy(source, directory)
            else:
                command([directory / "prepare", version], env=os.environ | {"XEN_HCD_SOURCE": str(source)})
            shutil.copy(compile_driver(directory, version), root / f"lib/xen-hcd/{form}.ko")
        compile_programs(SOURCES, root / "bin")
        shutil.copy(SOURCES / "usb", root / "bin")
        (root / "bin/usb").chmod(0o755)
        pack(root, IMAGE / ARCHIVE)
    write_key(ARCHIVE, key)


def source_version(version: str) -> str:
    """6.1 of 6.1.0-57-amd64: Debian has a package of sources for each."""
    return ".".join(version.split(".")[:2])


def install_packages(*packages: str) -> None:
    """On this machine, which has all else from `run`."""
    done = subprocess.run(["bash", "-c", '. "$0" && set -euo pipefail && packages "$@"', DEBIAN, *packages], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise LabError(f"expected Debian's packages {' '.join(packages)}: {done.stderr.strip()[-1000:]}\n"
                       f"If Debian has a newer kernel than the image, remove {IMAGE} and run again")


def driver_source(version: str, scratch: Path) -> Path:
    package = f"linux-source-{source_version(version)}"
    # One occurrence: tar does not read on to the end.
    command(["tar", "-xf", f"/usr/src/{package}.tar.xz", "-C", scratch, "--occurrence=1", f"{package}/{DRIVER}"])
    return scratch / package / DRIVER


def driver_directory(destination: Path) -> Path:
    """What a guest builds its driver in; the source is still to come."""
    command([FIXED_DRIVER / "install", "--destdir", destination])
    return next(destination.glob("usr/src/netchannel-xen-hcd-*"))


def compile_driver(directory: Path, version: str) -> Path:
    """As a module outside of the kernel's tree."""
    command(["make", "-s", "-C", f"/usr/src/linux-headers-{version}", f"M={directory}", "modules"])
    module = directory / "xen-hcd.ko"
    command(["strip", "--strip-debug", module])
    return module
