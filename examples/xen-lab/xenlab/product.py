"""Netchannel inside a host: its configuration, its daemon, what it leaves behind."""

import shlex
import time

from .hosts import Host, Hosts
from .report import expect, say
from .settings import DAEMON_START_SECONDS

CONFIGURATION = "/etc/netchannel/netchannel.toml"
TRACES = "/var/log/netchannel"
HOOK_SOCKET = "/run/netchannel/hook.sock"


def configuration(name: str, peer: str, faults: dict[str, str] | None = None) -> str:
    """The netchannel.toml of a host; timeouts fit an emulated one, where a second of work takes ten."""
    text = f"""[daemon]
name = "{name}"

[[peer]]
name = "{peer}"
address = "{peer}:16515"

[timeouts]
prepare = "60s"
seal = "60s"
hand-over = "60s"
take-over = "60s"
hook = "180s"
sealed = "120s"

[trace]
directory = "{TRACES}"
"""
    if faults:
        text += "\n[faults]\n" + "".join(f'"{point}" = "{what}"\n' for point, what in faults.items())
    return text


def wait_ready(host: Host) -> None:
    """Until the daemon answers on the socket the hooks use."""
    deadline = time.monotonic() + DAEMON_START_SECONDS
    while host.run(f"nc -zU {HOOK_SOCKET}", check=False).returncode:
        if time.monotonic() > deadline:
            journal = host.output("journalctl -u netchanneld -n 20 --no-pager -o cat", check=False)
            expect(False, f"expected netchanneld on {host} to answer at {HOOK_SOCKET} within "
                          f"{DAEMON_START_SECONDS:.0f} s; its journal ends with:\n{journal}")
        time.sleep(1)


def restart(hosts: Hosts, faults: dict[Host, dict[str, str]] | None = None) -> None:
    """Restarts the daemon of each host named in `faults` with those faults injected ({}: none any more)."""
    faults = faults or {}
    for host, points in faults.items():
        say(f"netchanneld on {host} restarts, faults: {points or 'none'}")
        host.write(CONFIGURATION, configuration(host.name, hosts.other(host).name, points))
        host.run("systemctl restart --no-block netchanneld")
    for host in faults:
        # The old daemon's socket must not be taken for the new one's.
        wait_active(host)
        wait_ready(host)


def wait_active(host: Host) -> None:
    deadline = time.monotonic() + DAEMON_START_SECONDS
    while host.output("systemctl list-jobs --no-legend netchanneld.service").strip():
        expect(time.monotonic() < deadline, f"expected systemd on {host} to finish restarting netchanneld")
        time.sleep(1)


def stop(host: Host) -> None:
    say(f"netchanneld on {host} stops")
    host.run("systemctl stop netchanneld")


def start(host: Host) -> None:
    host.run("systemctl start netchanneld")
    wait_ready(host)


def kill(host: Host) -> None:
    say(f"netchanneld on {host} is killed")
    host.run("systemctl kill --signal=KILL netchanneld")


def restart_libvirtd(host: Host) -> None:
    """libvirt 9.0 keeps the job lock of a migration its destination refused until its daemon restarts."""
    say(f"libvirtd on {host} restarts")
    host.run("systemctl restart libvirtd && virsh -c xen:///system version >/dev/null")


def clear_traces(hosts: Hosts) -> None:
    for host in hosts.both:
        host.run(f"mkdir -p {TRACES} && find {TRACES} -name '*.jsonl' -exec truncate -s 0 {{}} +")


def traces(host: Host) -> str:
    """All trace lines of a host, one JSON object each."""
    return host.output(f"cat {TRACES}/*.jsonl 2>/dev/null || true")


def left_behind(host: Host, guest: str, domids: list[int]) -> list[str]:
    """What a guest that is gone should not leave: its domain, its xenstore nodes, ours."""
    shown = host.output(
        "xl list | tail -n +3; xenstore-ls -f /local/domain/0/backend/netchannel 2>/dev/null; "
        + "".join(f"xenstore-ls -f /local/domain/{d} 2>/dev/null; xenstore-ls -f /local/domain/0/backend/vbd/{d} "
                  "2>/dev/null; " for d in domids) + "true")
    return [line for line in shown.splitlines() if line.strip()]


def expect_nothing_left(hosts: Hosts, guest: str, domids: dict[Host, list[int]], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        left = [f"{host}: {line}" for host in hosts.both for line in left_behind(host, guest, domids.get(host, []))]
        if not left:
            return
        expect(time.monotonic() < deadline, f"{shlex.quote(guest)} is gone, but {seconds:.0f} s later there is still: "
                                            + "; ".join(left[:6]))
        time.sleep(1)
