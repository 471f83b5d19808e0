"""What the daemons of both hosts send each other disappears: no reset, no ICMP, as behind a firewall that has lost its state.

One host drops both directions; ssh, by which libvirt moves the guest, goes on.
"""

from contextlib import contextmanager

from .hosts import Host
from .product import PEER_PORT, SERVER_PORT

CHAIN = "lab-hole"
OPEN = f"iptables -F {CHAIN}"
SHUT = f"iptables -A {CHAIN} -p tcp -m multiport --ports {PEER_PORT},{SERVER_PORT} -j DROP"


def shut_for(seconds: int) -> str:
    """Shut now, open by itself."""
    return f"{SHUT} && {{ setsid sh -c 'sleep {seconds}; {OPEN}' </dev/null >/dev/null 2>&1 & }}"


@contextmanager
def ready(host: Host):
    """An open hole, so that to shut it takes no time; open at the end. The first rule loads the modules."""
    host.run(f"iptables -N {CHAIN}; {SHUT} && {OPEN} && for way in INPUT OUTPUT; do iptables -I $way -j {CHAIN}; done")
    try:
        yield
    finally:
        host.run(f"for way in INPUT OUTPUT; do iptables -D $way -j {CHAIN}; done; {OPEN}; iptables -X {CHAIN}")
