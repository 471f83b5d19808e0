"""Command line of the lab: build, boot, run the scenarios, collect, report, stop."""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Sequence

from . import image, product, usb_image
from .choice import choose, newest_work
from .hosts import Host, Hosts
from .report import Failure, LabError, Result, say, table
from .scenarios import ORDER, Context, load
from .settings import INSTALLER, JAR, REPO, TARGET, Options


def main() -> int:
    arguments = parse()
    scenarios, left_out = chosen(arguments)
    if arguments.list:
        for name in scenarios:
            print(f"{name:<14} {load(name).TITLE}")
        return 0
    options = to_options(arguments)
    # Both end the lab through the clean-up. A shell starts background jobs with SIGINT ignored; not this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments.stop:
        Hosts(options).stop()
        return 0
    if options.product:
        build_product()
    usb = any(getattr(load(name), "USB", False) for name in scenarios)
    hosts = Hosts(options, usb)
    if hosts.kept and not all(host.alive() for host in hosts.both):
        hosts.stop()
        hosts = Hosts(options, usb)
    if not hosts.kept:
        image.build(options.product, options.old_jar)
    if usb:
        usb_image.build()
    results = []
    with hosts:
        versions = read_versions(hosts.a, options)
        if options.product:
            for host in hosts.both:
                product.wait_ready(host)
                say(f"netchanneld on {host} is ready")
        names, left = list(scenarios), None
        for name, following in zip(names, names[1:] + [""]):
            wanted = getattr(load(following), "LODGER", "") if following else ""
            context = Context(hosts, options, TARGET / name, left=left, wanted=wanted)
            results.append(run_scenario(name, context, versions))
            left = context.left
    print("\n" + table(results))
    if left_out:
        print(f"left out: {', '.join(left_out)}")
    return 0 if all(r.verdict == "pass" for r in results) else 1


def chosen(arguments: argparse.Namespace) -> tuple[Sequence[str], Sequence[str]]:
    """Those to run, and those that --choose has left out."""
    if not arguments.choose:
        return arguments.scenarios or ORDER, ()
    choice = choose(arguments.choose, *newest_work(REPO))
    print(f"chosen for {arguments.choose} s, expected {choice.seconds} s; left out: {', '.join(choice.left_out) or 'none'}", file=sys.stderr)
    return choice.taken, choice.left_out


def run_scenario(name: str, context: Context, versions: dict) -> Result:
    hosts, logs = context.hosts, context.logs
    say(f"--- {name}: {load(name).TITLE}")
    result = Result(name, versions=versions)
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    began = time.monotonic()
    since = {host: int(host.output("date +%s")) for host in hosts.both}
    consoles = {host: console_size(host) for host in hosts.both}
    try:
        load(name).run(context)
        result.verdict, result.reason = "pass", context.figures.pop("summary", "as expected")
    except Failure as failure:
        result.reason = str(failure)
    except Exception as error:  # noqa: BLE001 - a scenario that breaks is a failed one; the next still runs
        result.reason = f"{type(error).__name__}: {error}"
        (logs / "traceback.txt").write_text(traceback.format_exc())
    finally:
        if context.left and (result.verdict != "pass" or context.left not in context.guests):
            context.guests.append(context.left)  # ends here
            context.left = None
        collect(context, since, consoles)
    result.seconds = round(time.monotonic() - began, 1)
    result.figures = context.figures
    result.write(TARGET)
    say(f"--- {name}: {result.verdict}" + ("" if result.verdict == "pass" else f": {result.reason}"))
    return result


def collect(context: Context, since: dict[Host, int], consoles: dict[Host, int]) -> None:
    """Logs into target/xen-lab/<scenario>; the guests of the scenario end here, but for one that it leaves to the next."""
    for host in context.hosts.both:
        def save(name: str, script: str) -> None:
            (context.logs / f"{host}-{name}").write_text(host.output(script, check=False))
        for unit in ("libvirtd", "netchanneld"):
            save(f"{unit}.log", f"journalctl -u {unit} --since @{since[host]} --no-pager -o short-precise")
        save("xen.txt", "xl list -v; xenstore-ls -f /local/domain; dmesg | tail -n 100")
        for guest in context.guests:
            save(f"guest-{guest.name}.log", f"cat {guest.log}")
            for target in [disk.target for disk in guest.disks if disk.source] + [f"usb{port}" for port in guest.usb]:
                save(f"trace-{target}.jsonl", f"cat {product.TRACES}/{guest.name}-{target}.jsonl")
        with open(host.directory / "console.log", "rb") as console:
            console.seek(consoles[host])
            (context.logs / f"{host}-console.log").write_bytes(console.read())
    for guest in context.guests:
        if guest is not context.left:
            guest.destroy()


def console_size(host: Host) -> int:
    path = host.directory / "console.log"
    return path.stat().st_size if path.exists() else 0


def read_versions(host: Host, options: Options) -> dict:
    script = ("xl info xen_version; uname -r; libvirtd --version; java -version 2>&1 | head -n 1; "
              + ("netchannel --version" if options.product else "echo none"))
    xen, linux, libvirt, java, ours = host.output(script).splitlines()[:5]
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return {"xen": xen, "linux": linux, "libvirt": libvirt.split()[-1], "jdk": java, "netchannel": ours, "qemu": qemu}


def build_product() -> None:
    """The jar, if there is none yet."""
    if not INSTALLER.exists():
        raise LabError(f"expected {INSTALLER}; use --no-product for stock hosts")
    if not JAR.exists():
        say("building target/netchannel.jar")
        if subprocess.run(["mvn", "-q", "-f", REPO / "pom.xml", "-DskipTests", "package"]).returncode or not JAR.exists():
            raise LabError(f"expected `mvn package` to make {JAR}")


def parse() -> argparse.Namespace:
    d = Options()
    parser = argparse.ArgumentParser(prog="examples/xen-lab/run", description="Two emulated Xen hosts, a real guest "
                                     "with verified I/O, real `virsh migrate --live`. Results in target/xen-lab/.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"default: all ({' '.join(ORDER)})")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--choose", type=int, metavar="SECONDS", help="as many as fit into that time: migrate, kill, what the newest work touches, a part of the others by commit")
    parser.add_argument("--keep", action="store_true", help="leave the hosts running; the next run uses them again")
    parser.add_argument("--stop", action="store_true", help="stop hosts left running by --keep")
    parser.add_argument("--no-product", action="store_true", help="stock hosts, nothing of Netchannel installed")
    parser.add_argument("--fio-job", type=Path, default=d.fio_job, help="workload of a round (see guest/workload.fio)")
    parser.add_argument("--round-size", type=size, default=d.round_bytes, metavar="SIZE", help="bytes a round writes per disk, default 1M")
    parser.add_argument("--slots", type=int, default=d.slots, help="places on a disk rounds go through, default %(default)s")
    parser.add_argument("--disk-size", type=size, default=d.disk_bytes, metavar="SIZE", help="of each shared disk, default 256M")
    parser.add_argument("--disk-filter", default=d.disk_filter, help="filters before file: devices where requests must be in flight, default %(default)s")
    parser.add_argument("--guest-memory", type=int, default=d.guest_memory_mib, metavar="MIB", help="default %(default)s")
    parser.add_argument("--round-trips", type=int, default=d.round_trips, help="of scenario migrate, default %(default)s")
    parser.add_argument("--kills", type=int, default=d.kills, metavar="N", help="of scenario kill, under a guest that does nothing else, to measure when it is answered again; default %(default)s")
    parser.add_argument("--old-jar", type=Path, default=d.old_jar, metavar="FILE", help="scenario kill measures the same with this netchannel.jar, and the ratio")
    parser.add_argument("--trips", type=int, default=d.trips, metavar="N", help="migrations of scenario ten-trips, an even number from 4 on, default %(default)s")
    parser.add_argument("--blackout-migrations", type=int, default=d.blackout_migrations, metavar="N", help="of scenario blackout with Netchannel, and as many without, default %(default)s")
    parser.add_argument("--late-write-runs", type=int, default=d.late_write_runs, metavar="N", help="migrations of scenario late-write without the hook, and as many with it, default %(default)s")
    parser.add_argument("--abort-point", default=d.abort_point, help="where the destination fails in scenario abort, default %(default)s; a key of [faults] in netchannel.toml")
    parser.add_argument("--kill-point", default=d.kill_point, help="where the destination's daemon dies in scenario kill, default %(default)s")
    parser.add_argument("--kill-after", type=float, default=d.kill_after_seconds, metavar="SECONDS", help="when the source's daemon dies in scenario kill, after pre-copy began, default %(default)s")
    parser.add_argument("--table-runs", type=int, default=d.table_runs, metavar="N", help="migrations of each row of scenario handover-table with Netchannel, and as many without, default %(default)s")
    parser.add_argument("--table-rows", type=rows, default=d.table_rows, metavar="N,N", help="rows of scenario handover-table, named by their pending requests, default all: " + ",".join(map(str, d.table_rows)))
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name not in ORDER]
    if arguments.choose and arguments.scenarios:
        parser.error("--choose chooses the scenarios: name none")
    if arguments.old_jar and not arguments.old_jar.is_file():
        parser.error(f"--old-jar: no file {arguments.old_jar}")
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(ORDER)}")
    return arguments


def to_options(a: argparse.Namespace) -> Options:
    return Options(keep=a.keep, table_runs=a.table_runs, table_rows=a.table_rows, blackout_migrations=a.blackout_migrations, product=not a.no_product, fio_job=a.fio_job, round_bytes=a.round_size, slots=a.slots,
                   disk_bytes=a.disk_size, disk_filter=a.disk_filter, guest_memory_mib=a.guest_memory,
                   round_trips=a.round_trips, abort_point=a.abort_point, kill_point=a.kill_point,
                   kill_after_seconds=a.kill_after, kills=a.kills, old_jar=a.old_jar and a.old_jar.resolve(), trips=a.trips, late_write_runs=a.late_write_runs)


def rows(text: str) -> tuple[int, ...]:
    there_are = Options().table_rows
    wanted = tuple(int(n) for n in text.split(",") if n.isdigit() and int(n) in there_are)
    if len(wanted) != len(text.split(",")):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(map(str, there_are))}, found {text}")
    return wanted


def size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if not match:
        raise argparse.ArgumentTypeError(f"expected a size such as 256M, found {text}")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"xen-lab: {error}")
    except KeyboardInterrupt:
        sys.exit("xen-lab: interrupted; hosts stopped")
