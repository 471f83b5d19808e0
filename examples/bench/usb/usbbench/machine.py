"""One emulated machine in which the kernel's own USB device is used directly, by usbip, by usbredir and by ours (machine/init).

    rootfs/        Debian packages; made once            (2 minutes)
    base.cpio      of it, with the modules that are used
    machine.cpio   that and what is measured; booted as an initramfs by QEMU's TCG, so it needs nothing of the host's kernel

Its clients: usbip's device is the kernel's, so it is asked by usbfs, as a driver would, by a program in C. Ours and usbredir's
have a client that gives USB devices to guests: both are asked where a guest's requests come in, by UsbLoad. The relay is that
program in C twice, with TCP between: the least that a server and a client outside of the kernel cost there.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from remotebench.processes import BenchError, run, say, tail
from xenlab.auction_report import percentile
from xenlab.guest_image import command, copy_modules, pack
from xenlab.image import apt_sources

from .load import WORKLOADS, Endpoints, Sample
from .report import Results
from .stacks import JAR, PRODUCT, SERIAL, VENDOR, configuration

SOURCES = Path(__file__).resolve().parents[1] / "machine"
PACKAGES = ("linux-image-amd64", "usbip", "usbredirect", "openjdk-17-jre-headless", "kmod", "iproute2")
MODULES = ("dummy_hcd", "libcomposite", "usb_f_ss_lb", "usbip-host", "vhci-hcd")
ENDPOINTS = Endpoints(bulk_out="OUT", bulk_in="IN")  # machine/init knows the kernel's choice
PRODUCTS = ("direct", "relay", "netchannel-usbfs", "usbip", "usbredir", "netchannel")
PLAIN = 16517
# An instruction takes a nanosecond, and waiting no time: how busy this host is, and how dear it is to emulate a change of processes,
# is not measured.
CLOCK = ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")
PRODUCT_SECONDS = 1200  # of this host, of one product in one round
WARM_UPS = 5  # rounds of all requests, so that p50 of a JVM stands still: what is said at the end tells whether it does
# openjdk's postinst wants the directory; the initrd that the kernel's package makes is not used.
HOOK = 'mkdir -p "$1/usr/share/man/man1" "$1/etc/initramfs-tools/conf.d"; echo MODULES=list >"$1/etc/initramfs-tools/conf.d/bench"'


def measure(directory: Path, classes: Path, rounds: int, requests: int, results: Results) -> None:
    directory.mkdir(exist_ok=True)
    workloads = [each for each in WORKLOADS if each.line(ENDPOINTS, requests)]
    kernel = build(directory, classes, rounds, [each.line(ENDPOINTS, requests) for each in workloads])
    say(f"the emulated machine: {', '.join(PRODUCTS)}, {rounds} rounds")
    answers, console = directory / "answers.txt", directory / "console.log"
    longest = 300 + rounds * len(PRODUCTS) * PRODUCT_SECONDS
    with open(directory / "qemu.log", "wb") as log:
        process = subprocess.Popen(
            ["qemu-system-x86_64", *CLOCK, "-cpu", "max", "-smp", "1", "-m", "2048", "-nodefaults",
             "-display", "none", "-no-reboot", "-kernel", str(kernel), "-initrd", str(directory / "machine.cpio"),
             "-append", "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/bench/init",
             "-serial", f"file:{console}", "-serial", f"file:{answers}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            process.wait(longest)
        except subprocess.TimeoutExpired:
            raise BenchError(f"the machine has not ended after {longest} s; its console ends with:\n{tail(console)}") from None
        finally:
            process.kill()
            process.wait()
    small = [each.name for each in workloads if each.small]
    for product, found in samples(answers.read_text(), [each.name for each in workloads], rounds, console).items():
        say(f"{product}: p50 of the last small requests that do not count, then of those that do, in microseconds: " +
            ", ".join(f"{each.before} {percentile(each.micros, 0.5)}" for name in small for each in found[name]))
        for name, each in found.items():
            results.setdefault("machine", {}).setdefault(name, {})[product] = each


def samples(text: str, names: list[str], rounds: int, console: Path) -> dict[str, dict[str, list[Sample]]]:
    """By product and workload. Each load says first what it has open, then the answers that do not count, then those that do."""
    lines: dict[str, list[str]] = {product: [] for product in PRODUCTS}
    for line in text.splitlines():
        product, _, answer = line.partition(" ")
        lines.setdefault(product, []).append(answer)
    whole = 1 + (WARM_UPS + 1) * len(names)
    found: dict[str, dict[str, list[Sample]]] = {}
    for product in PRODUCTS:
        if len(lines[product]) != rounds * whole:
            raise BenchError(f"expected {rounds * whole} answers of {product} in the machine, found {len(lines[product])}; its console ends "
                             f"with:\n{tail(console)}")
        ends = [(number + 1) * whole - len(names) for number in range(rounds)]  # of what does not count
        found[product] = {name: [sample(lines[product], end + place, len(names), f"{product} in the machine, {name}") for end in ends]
                          for place, name in enumerate(names)}
    return found


def sample(answers: list[str], place: int, names: int, what: str) -> Sample:
    found, before = (Sample.read(answers[each], what) for each in (place, place - names))
    found.before = percentile(before.micros, 0.5)
    return found


def build(directory: Path, classes: Path, rounds: int, requests: list[str]) -> Path:
    """Brings machine.cpio up to date. Returns the kernel."""
    rootfs, base, kernel = directory / "rootfs", directory / "base.cpio", directory / "vmlinux"
    if not base.exists():
        say("the emulated machine: installing Debian packages (2 minutes)")
        shutil.rmtree(rootfs, ignore_errors=True)
        with open(apt_sources()) as sources:
            command(["mmdebstrap", "--variant=minbase", '--aptopt=APT::Install-Recommends "false"', "--dpkgopt=path-exclude=/usr/share/man/*",
                     "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*", f"--essential-hook={HOOK}",
                     "--include=" + ",".join(PACKAGES), "bookworm", rootfs, "-"], stdin=sources)
        reduce(rootfs, directory, kernel)
        pack(rootfs, base)
        shutil.rmtree(rootfs)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        bench = root / "bench"
        shutil.copytree(classes, bench / "classes")
        shutil.copy(JAR, bench / "netchannel.jar")
        shutil.copy(SOURCES / "init", bench / "init")
        run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", bench / "usbload", SOURCES / "usbload.c"], "compiling usbload")
        (bench / "requests").write_text("".join(f"{line}\n" for line in (WARM_UPS + 1) * requests))
        (bench / "settings").write_text(f"VENDOR={VENDOR:04x} ID={PRODUCT:04x} SERIAL={SERIAL} ROUNDS={rounds} WANTED={PRODUCT_SECONDS}\n")
        exports = {"device": f"usb:id={VENDOR:04x}:{PRODUCT:04x},serial={SERIAL}"}
        (bench / "netchannel.toml").write_text(configuration(Path("/run/netchannel"), Path("/nowhere"), PLAIN - 1, PLAIN, exports))
        pack(root, directory / "own.cpio")
    with open(directory / "machine.cpio", "wb") as whole:  # the kernel unpacks one archive after the other
        for part in (base, directory / "own.cpio"):
            with open(part, "rb") as archive:
                shutil.copyfileobj(archive, whole)
    return kernel


def reduce(rootfs: Path, directory: Path, kernel: Path) -> None:
    """To what the machine needs: it is in memory."""
    (version,) = (path.name for path in (rootfs / "lib/modules").iterdir())
    kernel.write_bytes((rootfs / f"boot/vmlinuz-{version}").read_bytes())
    few = directory / "modules"
    shutil.rmtree(few, ignore_errors=True)
    (few / "lib/modules" / version).mkdir(parents=True)
    copy_modules(rootfs, version, few, MODULES)
    shutil.rmtree(rootfs / "usr/lib/modules")
    shutil.move(few / "lib/modules", rootfs / "usr/lib/modules")
    for name in ("boot", "var/lib/apt", "var/cache/apt"):
        shutil.rmtree(rootfs / name)
