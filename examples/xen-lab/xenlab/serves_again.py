"""How long a guest waits for its disk when its daemon was killed: until the first answer after that, by its host's trace."""

import statistics
from contextlib import contextmanager

from . import beat, product
from .guest import Guest, netchannel
from .hosts import SHARED_DISKS, Host
from .report import LabError, expect, say
from .settings import DAEMON_START_SECONDS, PATIENCE
from .watch import Watch

NAME, TARGET, DEVICE = "served", "xvdb", "/dev/vdb"
OLD_JAR = "/opt/lab/old/netchannel.jar"  # what image.py makes of --old-jar
DROP_IN = "/run/systemd/system/netchanneld.service.d/lab-old.conf"


def kill(host: Host, guest: str, target: str) -> float:
    """Kills the daemon; systemd starts it. Returns the seconds until the guest was answered again."""
    path = f"{product.TRACES}/{guest}-{target}.jsonl"
    killed, lines = product.kill(host, f"wc -l <{path}")
    # What the dead one has left unwritten is lost with it: what comes after these lines is its successor's.
    answer = host.output(f"until tail -n +{int(lines) + 1} {path} | grep -m 1 '\"e\":\"answer\"' | grep -o '\"t\":[0-9]*'; do sleep 0.5; done",
                         timeout=DAEMON_START_SECONDS)
    seconds = round(int(answer.strip().removeprefix('"t":')) / 1e6 - killed, 2)
    say(f"{guest} on {host} was answered {seconds} s after the kill")
    return seconds


def measure(context) -> dict:
    """Kills under a guest of its own with a quick disk; with --old-jar that one's daemon is killed as often, in the same run."""
    kills = context.options.kills
    if not context.options.old_jar:
        return {"seconds": kill_often(context, kills)}
    with peer_away(context.hosts.b):
        with old_jar(context.hosts.a):
            old = kill_often(context, kills)
        new = kill_often(context, kills)
    ratio = round(statistics.median(new) / statistics.median(old), 2)
    return {"seconds": new, "old_jar_seconds": old, "ratio": ratio}


def kill_often(context, times: int) -> list[float]:
    guest: Guest = context.guest(NAME, netchannel(TARGET, DEVICE), program=beat.program(TARGET))
    guest.start(context.hosts.a)
    found = []
    for _ in range(times):
        # A guest that has nothing to ask is not waiting: an emulated one takes minutes to begin.
        with Watch(SHARED_DISKS[DEVICE], beat.LAYOUT) as watch:
            watch.wait_all_change(180 * PATIENCE)
        found.append(kill(guest.host, NAME, TARGET))
        product.wait_ready(guest.host)
        guest.complain(guest.console())
    guest.destroy()
    guest.expect_nothing_left()
    context.guests.remove(guest)
    return found


@contextmanager
def peer_away(host: Host):
    """A start asks the peers, and this one may be of another version; a host that is down is passed over."""
    product.stop(host)
    try:
        yield
    finally:
        product.start(host)


@contextmanager
def old_jar(host: Host):
    """Its daemon is that of another jar while it lasts. No guest may be there: what the one keeps the other may not understand."""
    if host.run(f"test -e {OLD_JAR}", check=False).returncode:
        raise LabError("these hosts were booted without --old-jar; `run --stop`, then run again with it")
    forget = "rm -rf /var/lib/netchannel/* /run/netchannel/*"
    product.stop(host)
    host.write(DROP_IN, f"[Service]\nEnvironment=NETCHANNEL_JAR={OLD_JAR}\n")
    host.run(f"{forget}; systemctl daemon-reload")
    product.start(host)
    try:
        yield
    finally:
        product.stop(host)
        host.run(f"{forget}; rm {DROP_IN}; systemctl daemon-reload")
        product.start(host)


def expect_measured(found: dict) -> str:
    expect(all(seconds > 0 for key in ("seconds", "old_jar_seconds") for seconds in found.get(key, ())),
           f"expected every answer after its kill, found {found}")
    words = f"answered again {statistics.median(found['seconds']):.1f} s after a kill"
    return words + (f", {statistics.median(found['old_jar_seconds']):.1f} s with the old jar: ratio {found['ratio']}" if "ratio" in found else "")
