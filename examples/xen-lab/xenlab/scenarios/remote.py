TITLE = "a guest on hostb with a disk of hosta, by mutual TLS; who may not have it is told so plainly"

from .. import old_client, product, remote
from ..guest import Disk
from ..report import expect
from ..watch import Watch

LODGER = "remote@hostb"
# What `virsh create` says of a guest on hostb whose disk is that export of hosta.
DENIED = {
    product.PRIVATE: "export private is not for a client with a certificate for hostb",
    product.READ_ONLY: "export read-only is read-only",
    "nowhere": "no export named nowhere",
}


def run(context):
    a, b = context.hosts.both
    guest = remote.begin(context, b)
    wanted = guest.rounds() + 2  # all below happens under load
    with Watch(remote.RAW) as watch, remote.Answers(b):
        client = remote.client(a, guest)
        expect("/10.77.0.2:" in (client["address"] or ""), f"expected hostb at the device server, found {client}")
        context.figures["refused"] = {export: denied(context, b, export, words) for export, words in DENIED.items()}
        expect(not old_client.answers_plain_text(b, "10.77.0.1"), "expected TLS only, the server answers plain text")
        words = context.figures["without_certificate"] = old_client.first_words(b, "10.77.0.1", certificate=False)
        expect("expected a client certificate" in words, f"expected a caller without a certificate to be told so, found: {words}")
        guest.wait_round(wanted, rounds=2)
    expect(not watch.steps_back, f"late writes landed: {watch.steps_back[:3]}")
    expect(not (twice := remote.writes_done_twice(context)), f"{twice} writes reached the device twice")
    context.figures |= watch.figures() | {"client": client}
    context.figures["summary"] = f"refused in words: {', '.join(DENIED)}, no certificate, no TLS"
    remote.end(context, guest)


def denied(context, host, export: str, words: str) -> str:
    other = context.guest(f"denied-{export}", Disk(remote.TARGET, "/dev/vdc", remote.disk(export).source))
    done = other.create(host)
    expect(done.returncode != 0, f"expected virsh create to fail for export {export}, it succeeded")
    expect(words in done.stderr, f'expected virsh to say "{words}", it says: {done.stderr.strip()}')
    context.guests.remove(other)
    return done.stderr.strip()
