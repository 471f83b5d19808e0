"""The guest's initramfs: busybox, the real fio, and guest/init. And a second archive for guests with a database: the real MariaDB.

Debian's fio is linked against the client library of every storage system there is: 60 libraries, 90 MB, 17 s of
emulated CPU at each start. None of them is called with the engines the guest has a use for, so each is replaced by
one stub that defines the names fio wants and traps if one is called. fio itself, libc and libaio are Debian's.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .report import LabError
from .settings import LAB

MODULES = ("xen-blkfront",)
DATABASE_MODULES = ("xen-netfront", "crc32c_generic", "ext4")
FIO = "usr/bin/fio"
LIBRARIES = "lib/x86_64-linux-gnu"
LOADER = "lib64/ld-linux-x86-64.so.2"
REAL = {"libc.so.6", "libm.so.6", "libz.so.1", "libaio.so.1", "libnuma.so.1"}
MARIADB = "usr/sbin/mariadbd"
# Of all it has words for: English, and what must be there to begin with.
MARIADB_SHARE = ("english/errmsg.sys", "charsets/Index.xml")


def build(tree: Path, version: str, output: Path) -> None:
    """Writes the archive (newc, not compressed) to `output`. `tree`: the dom0 root that all of it comes from."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "root"
        for name in ("bin", "dev", "proc", "sys", "run", "lib64", LIBRARIES, f"lib/modules/{version}"):
            (root / name).mkdir(parents=True)
        shutil.copy(tree / "bin/busybox", root / "bin/busybox")
        shutil.copy(LAB / "guest/init", root / "init")
        (root / "init").chmod(0o755)
        copy_modules(tree, version, root, MODULES)
        copy_fio(tree, root, Path(temporary))
        compile_programs(LAB / "guest", root / "bin")
        pack(root, output)


def build_database(tree: Path, version: str, output: Path) -> None:
    """What a guest with guest/database has besides: an archive to be unpacked over that one."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "root"
        for name in ("bin", "lib64", LIBRARIES, f"lib/modules/{version}"):
            (root / name).mkdir(parents=True)
        copy_modules(tree, version, root, MODULES + DATABASE_MODULES)
        shutil.copy(inside(tree, MARIADB), root / "bin/mariadbd")
        shutil.copy(inside(tree, LOADER), root / LOADER)
        for library in re.findall(r"=> (\S+)", command(["chroot", tree, "/" + LOADER, "--list", "/" + MARIADB])):
            shutil.copy(inside(tree, library.lstrip("/")), root / LIBRARIES / Path(library).name)
        # Fails here, not in the guest, when one is missing.
        command(["chroot", root, "/bin/mariadbd", "--no-defaults", "--version"])
        for name in MARIADB_SHARE:
            place = root / "share/mysql" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / "usr/share/mysql" / name, place)
        shutil.copy(LAB / "guest/database.cnf", root)
        shutil.copy(LAB / "guest/database", root / "bin")
        (root / "bin/database").chmod(0o755)
        pack(root, output)


def pack(root: Path, output: Path) -> None:
    names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*"))) + "\n"
    with open(output, "wb") as archive:
        command(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], input=names.encode(), stdout=archive, cwd=root)


def copy_modules(tree: Path, version: str, root: Path, modules: tuple[str, ...]) -> None:
    for module in modules:
        shown = command(["modprobe", "-d", tree, "-S", version, "--show-depends", module])
        for path in re.findall(r"^insmod (\S+)", shown, re.MULTILINE):
            shutil.copy(path, root / "lib/modules" / version)
    for name in ("modules.order", "modules.builtin"):
        (root / "lib/modules" / version / name).touch()
    command(["depmod", "-b", root, version])


def copy_fio(tree: Path, root: Path, scratch: Path) -> None:
    shutil.copy(tree / FIO, root / "bin/fio")
    shutil.copy(inside(tree, LOADER), root / LOADER)
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", command(["readelf", "-dW", tree / FIO])))
    provided = set()
    for name in needed & REAL:
        library = inside(tree, f"{LIBRARIES}/{name}")
        shutil.copy(library, root / LIBRARIES / name)
        provided |= {symbol for symbol, _, defined in symbols(library) if defined}
    wanted = [(symbol, label) for symbol, label, defined in symbols(tree / FIO)
              if not defined and symbol not in provided]
    stub = make_stub(wanted, scratch)
    for name in needed - REAL:
        shutil.copy(stub, root / LIBRARIES / name)
    # Fails here, not in the guest, when a library or a name is missing.
    command(["chroot", root, "/bin/fio", "--version"])


def compile_programs(sources: Path, directory: Path) -> None:
    """Every C file there, as a program that needs no library."""
    for source in sources.glob("*.c"):
        command(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-o", directory / source.stem, source])


def make_stub(wanted: list[tuple[str, str]], scratch: Path) -> Path:
    """A shared library that defines (name, version label) and traps when one is called."""
    source, script, stub = (scratch / name for name in ("stub.s", "stub.map", "stub.so"))
    names = sorted({symbol for symbol, _ in wanted})
    source.write_text(".text\n" + "".join(f".globl {n}\n.type {n},@function\n{n}:\n" for n in names) + "ud2\n"
                      ".section .note.GNU-stack,\"\",@progbits\n")
    labels = sorted({label for _, label in wanted if label})
    script.write_text("".join(
        f"{label} {{ global: {' '.join(s + ';' for s, own in wanted if own == label)} }};\n" for label in labels))
    command(["as", "-o", scratch / "stub.o", source])
    command(["ld", "-shared", "-o", stub, scratch / "stub.o", *([f"--version-script={script}"] if labels else [])])
    return stub


def symbols(elf: Path) -> list[tuple[str, str, bool]]:
    """Dynamic symbols: name, version label or '', defined here or wanted from elsewhere. Weak wants need no answer."""
    found = []
    for line in command(["readelf", "--dyn-syms", "-W", elf]).splitlines():
        match = re.match(r"\s*\d+: \S+\s+\d+ \S+\s+(\S+)\s+\S+\s+(\S+) ([^@\s]+)(?:@@?(\S+))?", line)
        if match and not (match[2] == "UND" and match[1] == "WEAK"):
            found.append((match[3], match[4] or "", match[2] != "UND"))
    return found


def inside(tree: Path, path: str) -> Path:
    """`path` of the tree with its links followed inside the tree."""
    return tree / command(["chroot", tree, "readlink", "-f", "/" + path]).strip().lstrip("/")


def command(words: list, stdout=subprocess.PIPE, **options) -> str:
    done = subprocess.run([str(w) for w in words], stdout=stdout, stderr=subprocess.PIPE, **options)
    if done.returncode:
        raise LabError(f"`{' '.join(map(str, words))}` ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode() if done.stdout else ""
