"""Netchannel inside a host: its configuration, its daemon, what it leaves behind."""

import json
import time
from collections.abc import Collection
from contextlib import contextmanager

from .hosts import Host, Hosts
from .report import expect, say
from .settings import COMMAND_SECONDS, DAEMON_START_SECONDS

CONTROL_SOCKET = "/run/netchannel/control.sock"
TRACES = "/var/log/netchannel"
FAULTS = "/run/lab-faults"  # a file for each point, that says what happens there
FAULT_POINTS = ("destination.prepared", "destination.sealed", "destination.taken-over",
                "source.prepared", "source.suspended", "source.sealed", "source.given")
HOOK_SOCKET = "/run/netchannel/hook.sock"
DRAIN_SECONDS = 45  # in the configuration below: for how long a stock disk may still be writing
HOOK = "/etc/libvirt/hooks/libxl.d/50-netchannel"


# What hosta has for other hosts by configuration; none may be used by hostb as a writable disk.
PRIVATE, READ_ONLY = "private", "read-only"
EXPORTS = {"hosta": f"""[[export]]
name = "{PRIVATE}"
path = "/dev/vdd"
allow = ["hosta"]

[[export]]
name = "{READ_ONLY}"
path = "/dev/vdc"
read-only = true
allow = ["hosta", "hostb"]
"""}
# Where disks that follow their guests get their volumes, on both.
POOL, POOL_DIRECTORY = "fast", "/srv/pool"
PEER_PORT, SERVER_PORT = 16515, 16516
LEG_TIMEOUT_SECONDS = 10  # an emulated disk may take seconds


def configuration(name: str, peer: str) -> str:
    """The netchannel.toml of a host. Timeouts fit an emulated one; `hook` stays below the hook script's own 90 s."""
    return f"""[daemon]
name = "{name}"

[[peer]]
name = "{peer}"
address = "{peer}:{PEER_PORT}"

[timeouts]
prepare = "40s"
seal = "40s"
drain = "{DRAIN_SECONDS}s"
hand-over = "30s"
take-over = "40s"
tell = "10s"
hook = "85s"
sealed = "85s"
ready = "60s"
unbind = "30s"

[mirror]
leg-timeout = "{LEG_TIMEOUT_SECONDS}s"

[trace]
directory = "{TRACES}"

[[pool]]
name = "{POOL}"
directory = "{POOL_DIRECTORY}"

{EXPORTS.get(name, "")}
[faults]
""" + "".join(f'"{point}" = "file {FAULTS}/{point}"\n' for point in FAULT_POINTS)


def set_faults(host: Host, faults: dict[str, str]) -> None:
    """What its daemon does at points of a migration from now on; {} for nothing."""
    say(f"netchanneld on {host}: faults: {faults or 'none'}")
    host.run(f"rm -rf {FAULTS} && mkdir -p {FAULTS}")
    for point, what in faults.items():
        host.write(f"{FAULTS}/{point}", what)


def wait_ready(host: Host) -> None:
    """Until the daemon answers on the socket the hooks use."""
    deadline = time.monotonic() + DAEMON_START_SECONDS
    while host.run(f"nc -zU {HOOK_SOCKET}", check=False).returncode:
        if time.monotonic() > deadline:
            journal = host.output("journalctl -u netchanneld -n 20 --no-pager -o cat", check=False)
            expect(False, f"expected netchanneld on {host} to answer at {HOOK_SOCKET} within "
                          f"{DAEMON_START_SECONDS:.0f} s; its journal ends with:\n{journal}")
        time.sleep(1)


def stop(host: Host) -> None:
    say(f"netchanneld on {host} stops")
    host.run("systemctl stop netchanneld")


def start(host: Host) -> None:
    say(f"netchanneld on {host} starts")
    host.run("systemctl start netchanneld", timeout=DAEMON_START_SECONDS)
    wait_ready(host)


def kill(host: Host, then: str = "echo") -> tuple[float, str]:
    """As a crash would end it; systemd starts it again. Returns when, by the host's clock, and what the command `then` says
    at that moment."""
    say(f"netchanneld on {host} is killed")
    # From the kill on it does nothing more: the host has one processor.
    when, _, said = host.output(f"kill -KILL $(systemctl show -P MainPID netchanneld) && date +%s.%N && {then}").partition("\n")
    return float(when), said.strip()


def wait_over(host: Host, guest: str, seconds: float = COMMAND_SECONDS) -> str:
    """Until the guest's newest migration is over as the host sees it. Returns how it ended: "commit" or "abort"."""
    deadline = time.monotonic() + seconds
    while True:
        found = control(host, command="migrations", which=guest)
        if found and found[0]["state"] in ("commit", "abort"):
            return found[0]["state"]
        expect(time.monotonic() < deadline, f"expected the migration of {guest} to be over on {host} within {seconds:.0f} s, "
                                            f"found {found[:1]}")
        time.sleep(1)


def outcome(host: Host, guest: str) -> str:
    """What `netchannel migrations` says of the guest's newest migration; nothing when the host knows none."""
    found = control(host, command="migrations", which=guest)
    return found[0]["outcome"] if found else ""


def timeline(host: Host, guest: str) -> list[dict]:
    """Of the guest's last migration, as the host's daemon tells `netchannel migrations`; asked without a JVM's start."""
    found = control(host, command="migrations", which=guest)
    expect(found, f"expected netchanneld on {host} to know a migration of {guest}")
    return control(host, command="migrations", which=found[0]["id"])["timeline"]


def control(host: Host, **request):
    """One request to the daemon, as the command line sends it (ControlEndpoint.java)."""
    reply = json.loads(host.run(f"nc -U -N {CONTROL_SOCKET}", stdin=(json.dumps(request) + "\n").encode()).stdout)
    expect(reply["ok"], f"netchanneld on {host}, asked {request}: {reply.get('error')}")
    return reply["result"]


def restart_libvirtd(host: Host) -> None:
    """libvirt 9.0 keeps the job lock of a migration its destination refused until its daemon restarts."""
    say(f"libvirtd on {host} restarts")
    host.run("systemctl restart libvirtd && virsh -c xen:///system version >/dev/null")


def journal(host: Host, since: float) -> str:
    """What the daemon has logged since then (seconds since 1970, by the host's clock)."""
    return host.output(f"journalctl -u netchanneld --since @{since:.3f} --no-pager -o cat")


def starts(host: Host) -> int:
    """How often systemd has started the daemon again by itself."""
    return int(host.output("systemctl show -P NRestarts netchanneld").strip())


def exports(host: Host) -> dict[str, dict]:
    """By name, with its clients."""
    return {each["name"]: each for each in control(host, command="exports")}


def remove_export(host: Host, name: str) -> None:
    """Whoever uses it."""
    for client in exports(host).get(name, {}).get("clients", ()):
        control(host, command="release-export", name=name, client=client["client"])
    if name in exports(host):
        control(host, command="unexport", name=name, force=True)


def trace(host: Host, guest: str, target: str) -> str:
    return host.output(f"cat {TRACES}/{guest}-{target}.jsonl 2>/dev/null || true")


@contextmanager
def hook_out(hosts: Collection[Host]):
    """libvirt is a stock one on these hosts: before every call it looks which hooks may be executed, and passes over ours.
    What it does not do again until it restarts is look whether there are hooks at all."""
    for host in hosts:
        host.run(f"chmod a-x {HOOK}")
    try:
        yield
    finally:
        for host in hosts:
            host.run(f"chmod a+x {HOOK}")
