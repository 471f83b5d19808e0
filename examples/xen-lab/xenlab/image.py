"""Builds what the hosts boot from, in `target/xen-lab/image`.

    rootfs/            Debian packages only; remade when dom0/packages changes         (90 s)
      + dom0/files, + Netchannel as `xen-hooks/install --destdir` puts it, + certificates
    dom0.raw           that tree as an ext4 disk; remade when anything changed          (10 s)
    xen, vmlinux, initrd.img, guest.cpio, database.cpio, lab_key

Each product has a `.key` file beside it, a digest of what it was made from; an equal digest means
nothing to do. The rootfs is never configured in place: a tree of hard links to it is.
"""

import hashlib
import lzma
import os
import shutil
import subprocess
import zlib
from pathlib import Path

from . import guest_image, product, serves_again
from .settings import IMAGE, IMAGE_SIZE, INSTALLER, JAR, LAB
from .report import LabError, say

SUITE = "bookworm"
ROOTFS = IMAGE / "rootfs"
TREE = IMAGE / "tree"
HOSTS = ("hosta", "hostb")
ARCHIVE = "/var/cache/netchannel/netchannel.jsa"

# Early in mmdebstrap: which modules the initrd carries, and a directory openjdk's postinst wants.
ESSENTIAL_HOOK = r"""
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/man/man1"
printf 'MODULES=list\nCOMPRESS=zstd\n' >"$1/etc/initramfs-tools/conf.d/lab"
printf 'virtio_pci\nvirtio_blk\nvirtio_net\next4\ncrc32c_generic\n' >"$1/etc/initramfs-tools/modules"
"""

# Drivers an emulated host cannot use: 300 MB less to write.
UNUSED_MODULES = """drivers/gpu drivers/media drivers/infiniband drivers/net/wireless drivers/net/ethernet
drivers/iio drivers/staging drivers/isdn drivers/hwmon sound net/wireless net/mac80211 net/bluetooth
fs/ocfs2 fs/xfs fs/btrfs fs/ceph""".split()


def build(with_product: bool, old_jar: Path | None = None) -> None:
    """Brings the image up to date; cheap when it already is."""
    IMAGE.mkdir(parents=True, exist_ok=True)
    if not (IMAGE / "lab_key").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "xen-lab", "-f", IMAGE / "lab_key")
    rootfs_key = digest(LAB / "dom0/packages", ESSENTIAL_HOOK, SUITE)
    if up_to_date("rootfs", rootfs_key, ROOTFS):
        say("image: Debian packages kept")
    else:
        say("image: installing Debian packages into the dom0 root (about 90 s)")
        make_rootfs()
        write_key("rootfs", rootfs_key)
    image_key = digest(rootfs_key, LAB / "dom0", LAB / "guest", LAB / "xenlab/image.py",
                       LAB / "xenlab/guest_image.py", LAB / "xenlab/product.py", str(with_product), IMAGE / "lab_key.pub",
                       *((JAR, INSTALLER.parent) if with_product else ()), *([old_jar] if old_jar else ()))
    if up_to_date("dom0.raw", image_key, IMAGE / "dom0.raw"):
        say("image: up to date")
        return
    say("image: configuration" + (", Netchannel" if with_product else "") + ", disk")
    make_image(with_product, old_jar)
    write_key("dom0.raw", image_key)


def make_rootfs() -> None:
    shutil.rmtree(ROOTFS, ignore_errors=True)
    packages = [line.split("#")[0].strip() for line in (LAB / "dom0/packages").read_text().splitlines()]
    with open(apt_sources()) as sources:
        run("mmdebstrap", "--variant=minbase",
            "--aptopt=APT::Install-Recommends \"false\"",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--essential-hook={ESSENTIAL_HOOK}",
            "--include=" + ",".join(p for p in packages if p),
            SUITE, ROOTFS, "-", stdin=sources)
    for pattern in ("etc/apt/sources.list*", "var/cache/apt/*", "var/lib/apt/lists/*"):
        for path in ROOTFS.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def apt_sources() -> Path:
    """The Debian sources this machine is configured with."""
    for name in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"):
        path = Path(os.environ.get("LAB_APT_SOURCES", name))
        if path.is_file() and path.stat().st_size:
            return path
    raise LabError("expected Debian's apt sources in /etc/apt/sources.list.d/debian.sources or /etc/apt/sources.list,"
                   " found neither; name the file in LAB_APT_SOURCES")


def make_image(with_product: bool, old_jar: Path | None) -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    # Hard links: quick. Nothing below may change a file of the rootfs in place; `replace` and install(1) do not.
    run("cp", "-al", ROOTFS, TREE)
    try:
        configure(TREE)
        if with_product:
            install_product(TREE)
            if old_jar:
                install_old_jar(TREE, old_jar)
            archive_classes(TREE, ARCHIVE)
        version = kernel_version(TREE)
        boot_files(TREE, version)
        guest_image.build(TREE, version, IMAGE / "guest.cpio")
        guest_image.build_database(TREE, version, IMAGE / "database.cpio")
        (TREE / "opt/lab").mkdir(parents=True, exist_ok=True)
        for name in ("vmlinux", "guest.cpio", "database.cpio"):
            shutil.copy(IMAGE / name, TREE / "opt/lab" / name)
        drop_unused_modules(TREE, version)
        disk = IMAGE / "dom0.raw"
        disk.unlink(missing_ok=True)
        run("mke2fs", "-q", "-t", "ext4", "-L", "labroot", "-O", "^metadata_csum_seed", "-d", TREE, disk, IMAGE_SIZE)
    finally:
        shutil.rmtree(TREE, ignore_errors=True)


def configure(tree: Path) -> None:
    """Makes a bootable dom0 of the packages: the files of dom0/files, the key, units, a few settings."""
    run("cp", "-a", "--remove-destination", "--no-preserve=ownership", f"{LAB}/dom0/files/.", tree)
    (tree / "root/.ssh").chmod(0o700)
    (tree / "root/.ssh/config").chmod(0o600)
    run("install", "-m", "600", IMAGE / "lab_key", tree / "root/.ssh/id_ed25519")
    run("install", "-m", "600", IMAGE / "lab_key.pub", tree / "root/.ssh/authorized_keys")
    replace(tree / "etc/hostname", lambda _: "lab\n")
    replace(tree / "etc/machine-id", lambda _: "")
    replace(tree / "etc/fstab", lambda _: "")  # the kernel mounts / ; an entry would make the boot wait for udev
    for line in (LAB / "dom0/masked-units").read_text().splitlines():
        if line and not line.startswith("#"):
            link = tree / "etc/systemd/system" / line
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
    run("systemctl", "-q", "enable", "lab-identity.service", root=tree)
    run("systemctl", "-q", "set-default", "multi-user.target", root=tree)
    for network in (tree / "etc/libvirt/qemu/networks/autostart").glob("*"):
        network.unlink()
    replace(tree / "etc/xen/xl.conf", lambda text: text + '\nautoballoon="off"\n')
    replace(tree / "etc/libvirt/libxl.conf", lambda text: text + "\nautoballoon = 0\n")
    # Guest consoles are logged in dom0, with time stamps.
    replace(tree / "etc/default/xen", lambda text: text + '\nXENCONSOLED_ARGS="--log=guest --timestamp=guest"\n')
    (tree / "var/log/xen/console").mkdir(parents=True, exist_ok=True)
    guest_image.compile_programs(LAB / "dom0", tree / "usr/local/sbin")
    # libvirt's xen driver refuses a CPU that matches no model of its map. TCG has no VME, so not even 486 matches.
    replace(tree / "usr/share/libvirt/cpu_map/x86_486.xml",
            lambda text: "".join(line for line in text.splitlines(True) if "vme" not in line))


def install_product(tree: Path) -> None:
    """Netchannel as a user would install it on both hosts, plus a test CA and the certificates of both."""
    run(INSTALLER, "--destdir", tree, "--jar", JAR)
    run("systemctl", "-q", "enable", "netchanneld.service", root=tree)
    run("netchannel", "pki", "init", "/opt/lab/pki", root=tree)
    for host in HOSTS:
        run("netchannel", "pki", "host", "/opt/lab/pki", host, root=tree)
        own = tree / "opt/lab" / host
        own.mkdir(parents=True, exist_ok=True)
        # What `pki host` says: "copy DIR/NAME/* to the host's /etc/pki".
        shutil.copytree(tree / "opt/lab/pki" / host, own / "etc/pki")
        (own / "etc/netchannel").mkdir(parents=True)
        (peer,) = set(HOSTS) - {host}
        (own / "etc/netchannel/netchannel.toml").write_text(product.configuration(host, peer))
    (tree / "var/cache/netchannel").mkdir(parents=True, exist_ok=True)


def install_old_jar(tree: Path, jar: Path) -> None:
    """Beside the product; the launcher runs it, with an archive of its own, for who sets NETCHANNEL_JAR. Before the product has
    its archive: the launcher would take that one, and Java makes no archive over another."""
    place = tree / serves_again.OLD_JAR.lstrip("/")
    place.parent.mkdir(parents=True)
    shutil.copy(jar, place)
    archive_classes(tree, serves_again.OLD_JAR.removesuffix(".jar") + ".jsa", f"NETCHANNEL_JAR={serves_again.OLD_JAR}")


def archive_classes(tree: Path, archive: str, environment: str = "") -> None:
    """As the installer does on a running host: the classes that the demo loads, two whole daemons."""
    run("sh", "-c", f"{environment} JAVA_OPTS='-XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off' "
        f"netchannel demo --rehearse --output /tmp/demo && rm -r /tmp/demo && test -s {archive}", root=tree)


def kernel_version(tree: Path) -> str:
    versions = sorted(p.name for p in (tree / "lib/modules").iterdir())
    if len(versions) != 1:
        raise LabError(f"expected one kernel in the image, found {versions}; remove {IMAGE} and run again")
    return versions[0]


def boot_files(tree: Path, version: str) -> None:
    shutil.copy(tree / f"boot/initrd.img-{version}", IMAGE / "initrd.img")
    shutil.copy(tree / f"boot/config-{version}", IMAGE / "config")
    (IMAGE / "vmlinux").write_bytes(unpacked_kernel((tree / f"boot/vmlinuz-{version}").read_bytes()))
    xen = sorted((tree / "boot").glob("xen-*-amd64.gz"))[-1]
    (IMAGE / "xen").write_bytes(zlib.decompress(xen.read_bytes(), wbits=31))


def unpacked_kernel(image: bytes) -> bytes:
    """The ELF image inside a bzImage, so that no emulated boot has to unpack it. Debian 12 packs with xz; another
    packing is left to Xen, which can unpack a bzImage itself."""
    start = image.find(b"\xfd7zXZ\x00")
    return lzma.LZMADecompressor().decompress(image[start:]) if start > 0 else image


def drop_unused_modules(tree: Path, version: str) -> None:
    kernel = tree / "lib/modules" / version / "kernel"
    for name in UNUSED_MODULES:
        shutil.rmtree(kernel / name, ignore_errors=True)
    for name in ("modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.symbols",
                 "modules.symbols.bin", "modules.softdep", "modules.devname", "modules.builtin.bin",
                 "modules.builtin.alias.bin"):
        (kernel.parent / name).unlink(missing_ok=True)  # hard links: depmod must make new ones
    run("depmod", version, root=tree)


# ------------------------------------------------------------------------------------------------ small tools

def replace(path: Path, change) -> None:
    """Writes `change(old text)` as a new file, so that a hard-linked original stays as it is."""
    text = path.read_text() if path.exists() else ""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    path.unlink(missing_ok=True)
    path.write_text(change(text))
    path.chmod(mode)


def run(*command, root: Path | None = None, stdin=subprocess.DEVNULL) -> None:
    """Runs a command (inside `root` when given); its output goes to image/build.log, and into the error if it fails."""
    # In a mount namespace of its own, whose /proc goes with it: java finds itself there.
    inside = ("unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root)
    command = [str(word) for word in (inside if root else ()) + command]
    done = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(IMAGE / "build.log", "a") as log:
        log.write(f"$ {' '.join(command)}\n{done.stdout}")
    if done.returncode:
        raise LabError(f"`{' '.join(command)[:200]}` ended with {done.returncode}, expected 0:\n{done.stdout[-3000:]}")


def digest(*parts) -> str:
    """One digest over strings and over files and directories (names, modes, contents)."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode() + b"\0")
            continue
        for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(part)} {path.stat().st_mode:o}\0".encode())
                total.update(path.read_bytes())
    return total.hexdigest()


def up_to_date(name: str, key: str, product: Path) -> bool:
    stored = IMAGE / f"{name}.key"
    return product.exists() and stored.exists() and stored.read_text() == key


def write_key(name: str, key: str) -> None:
    (IMAGE / f"{name}.key").write_text(key)
