TITLE = "/run/netchannel and /var/lib/netchannel are full: no guest comes, refused in words; those that run go on, and can leave"

import re

from .. import moving, product
from ..full_disk import RUN, STATE, full
from ..guest import netchannel
from ..report import expect
from ..watch import Watch

LODGER = moving.NAME
WORDS = re.compile(r"no space left|\bfull\b|\bspace\b|\broom\b", re.I)


def run(context):
    guest = moving.begin(context)
    source, destination = guest.host, context.hosts.other(guest.host)
    starts = {host: product.starts(host) for host in context.hosts.both}
    said = context.figures["refused"] = {}
    with Watch(moving.RAW) as watch:
        for directory in (STATE, RUN):
            with full(destination, directory):
                said[f"migration, {directory} of the destination"] = refused_migration(guest, source, destination)
        with full(source, STATE, RUN):
            said["start"] = refused_start(context, source)
            guest.verified_again()
            # The journal keeps room for a migration: a host without space is one to leave.
            context.figures["migration_seconds"] = guest.migrate(destination)
    context.figures |= watch.figures()
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    for host in context.hosts.both:
        expect(product.starts(host) == starts[host], f"expected netchanneld on {host} to live through it, systemd has started it again")
    guest.expect_backends()
    context.figures["summary"] = f"{len(said)} times refused in words, then migrated from a full host to one with room again"
    moving.end(context, guest)


def refused_migration(guest, source, destination) -> str:
    """Before or after its memory was copied; the guest is at the source, and whoever asks hears why."""
    done = guest.try_to_migrate(destination)
    guest.host = source if done.returncode else destination
    expect(done.returncode != 0, f"expected virsh migrate {source} -> {destination} to be refused, it succeeded")
    guest.expect_only_on(source)
    told = done.stderr.strip()
    if not WORDS.search(told):
        # What fails after the transfer libvirt does not pass on.
        told = "; ".join(f"{host}: {product.outcome(host, guest.name)}" for host in (destination, source))
    expect(WORDS.search(told), f"expected virsh or `netchannel migrations` to say that there is no space, they say: {done.stderr.strip()}; {told}")
    product.restart_libvirtd(source)
    return told


def refused_start(context, host) -> str:
    other = context.guest("no-room", netchannel("xvda", "/dev/vdc"))
    done = other.create(host)
    expect(done.returncode != 0, f"expected virsh create on {host} to be refused, it succeeded")
    expect(WORDS.search(done.stderr), f"expected virsh create to say that there is no space, it says: {done.stderr.strip()}")
    context.guests.remove(other)
    return done.stderr.strip()
