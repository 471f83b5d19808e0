"""What is measured: for each product its own server on the file and its own client.

    fio --NBD, Unix socket--> product's client --transport--> product's server --> file

The first hop is the same for all, as fio's nbd engine speaks to all of them; it is there because a client that
guests use has no other way to be asked by fio. The transport in the middle is what differs between the columns:

    netchannel   netchannel nbd-export          its own protocol         netchannel daemon
    qemu         qemu-nbd with QEMU's client    NBD                      qemu-nbd
    nbdkit       nbdkit nbd (libnbd)            NBD                      nbdkit file
"""

import os
import shutil
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from .processes import Processes, run

REPO = Path(__file__).resolve().parents[4]
LAUNCHER = REPO / "xen-hooks" / "netchannel"
EXPORT = "disk"
LOOPBACK = "127.0.0.1"

TRANSPORTS = {
    "unix": "Unix socket",
    "tcp": "TCP over loopback",
    "tls": "TCP over loopback, mutual TLS",
}
PRODUCTS = ("netchannel", "qemu", "nbdkit")


@dataclass
class Place:
    """Where everything of one run is."""
    directory: Path
    disk: Path
    java_options: str = ""
    stages: bool = False

    @property
    def certificates(self) -> Path:
        return self.directory / "pki"


def make_certificates(place: Place) -> None:
    """One authority and one host for all, made by us, and in the layout that QEMU and libnbd look for."""
    shutil.rmtree(place.certificates, ignore_errors=True)
    run([LAUNCHER, "pki", "init", place.certificates], "making an authority")
    run([LAUNCHER, "pki", "host", place.certificates, "bench", "localhost", LOOPBACK], "making certificates")
    host, other = place.certificates / "bench", place.certificates / "gnutls"
    other.mkdir()
    for source, name in (("CA/cacert.pem", "ca-cert.pem"),
                         ("libvirt/servercert.pem", "server-cert.pem"), ("libvirt/private/serverkey.pem", "server-key.pem"),
                         ("libvirt/clientcert.pem", "client-cert.pem"), ("libvirt/private/clientkey.pem", "client-key.pem")):
        shutil.copy(host / source, other / name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except FileNotFoundError:
        return False


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def start(product: str, transport: str, place: Place, processes: Processes) -> dict[str, str]:
    """Starts server and client. Returns the URIs for fio: "client", and "server" where fio can ask it directly."""
    directory = place.directory / product
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    starter = {"netchannel": start_netchannel, "qemu": start_qemu, "nbdkit": start_nbdkit}[product]
    return starter(transport, place, directory, processes)


def uri(path: Path) -> str:
    return f"nbd+unix:///?socket={path}"


# ---- ours

def netchannel_environment(place: Place, part: str) -> dict[str, str]:
    options = place.java_options
    if place.stages:
        options += f" -Dnetchannel.stages={place.directory / f'stages-{part}.txt'}"
    # Also when empty: what is measured is the launcher's own choice, not this machine's /etc/default/netchannel.
    return os.environ | {"JAVA_OPTS": options or " "}


def start_netchannel(transport: str, place: Place, directory: Path, processes: Processes) -> dict[str, str]:
    port = free_port()
    pki = place.certificates / "bench"
    plain = f'plain = "{LOOPBACK}:{port}"\n' if transport == "tcp" else ""
    listen = port if transport == "tls" else free_port()
    config = directory / "netchannel.toml"
    config.write_text(f"""
[daemon]
name = "bench"
guests = false
rehearse = false
run-directory = "{directory}/run"
state-directory = "{directory}/state"
[tls]
ca = "{pki}/CA/cacert.pem"
server-certificate = "{pki}/libvirt/servercert.pem"
server-key = "{pki}/libvirt/private/serverkey.pem"
client-certificate = "{pki}/libvirt/clientcert.pem"
client-key = "{pki}/libvirt/private/clientkey.pem"
[server]
listen = "{LOOPBACK}:{listen}"
{plain}[[export]]
name = "{EXPORT}"
source = "file+cache:{place.disk}"
allow = ["bench"]
""")
    processes.start(f"netchannel-server-{transport}", [LAUNCHER, "daemon", "--config", config],
                    lambda: is_socket(directory / "run" / "control.sock"), netchannel_environment(place, "server"))
    source = {
        "unix": f"netchannel+unix:///{EXPORT}?socket={directory}/run/export.sock",
        "tcp": f"netchannel+tcp://{LOOPBACK}:{port}/{EXPORT}",
        "tls": f"netchannel://{LOOPBACK}:{port}/{EXPORT}",
    }[transport]
    front = directory / "front.sock"
    processes.start(f"netchannel-client-{transport}", [LAUNCHER, "nbd-export", "-k", front, "-c", config, source],
                    lambda: is_socket(front), netchannel_environment(place, "client"))
    return {"client": uri(front)}


def start_netchannel_file(place: Place, directory: Path, processes: Processes) -> str:
    """Without the network: our NBD server on the file."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    front = directory / "file.sock"
    processes.start("netchannel-file", [LAUNCHER, "nbd-export", "-k", front, "--cache=writeback", f"file:{place.disk}"],
                    lambda: is_socket(front), netchannel_environment(place, "file"))
    return uri(front)


# ---- QEMU

def start_qemu(transport: str, place: Place, directory: Path, processes: Processes) -> dict[str, str]:
    back, front, port = directory / "back.sock", directory / "front.sock", free_port()
    gnutls = place.certificates / "gnutls"
    serve = ["qemu-nbd", "--persistent", "--shared=8", "-f", "raw", "--cache=writeback", "-x", EXPORT]
    if transport == "unix":
        serve += ["-k", back]
    else:
        serve += ["-b", LOOPBACK, "-p", port]
    if transport == "tls":
        serve += ["--object", f"tls-creds-x509,id=tls,endpoint=server,verify-peer=yes,dir={gnutls}", "--tls-creds", "tls"]
    processes.start(f"qemu-server-{transport}", serve + [place.disk],
                    lambda: is_socket(back) if transport == "unix" else accepts(port))
    target = f"server.type=unix,server.path={back}" if transport == "unix" else \
        f"server.type=inet,server.host={LOOPBACK},server.port={port}"
    target = ",".join(f"file.{option}" for option in target.split(","))
    forward = ["qemu-nbd", "--persistent", "--shared=8", "--cache=writeback", "-k", front]
    if transport == "tls":
        forward += ["--object", f"tls-creds-x509,id=tls,endpoint=client,dir={gnutls}"]
        target += ",file.tls-creds=tls"
    processes.start(f"qemu-client-{transport}",
                    forward + ["--image-opts", f"driver=raw,file.driver=nbd,file.export={EXPORT},{target}"],
                    lambda: is_socket(front))
    found = {"client": uri(front)}
    if transport == "unix":
        found["server"] = f"nbd+unix:///{EXPORT}?socket={back}"
    return found


# ---- nbdkit

def start_nbdkit(transport: str, place: Place, directory: Path, processes: Processes) -> dict[str, str]:
    back, front, port = directory / "back.sock", directory / "front.sock", free_port()
    gnutls = place.certificates / "gnutls"
    serve: list[object] = ["nbdkit", "-f"]
    forward: list[object] = ["nbdkit", "-f", "-U", front, "nbd"]
    if transport == "unix":
        serve += ["-U", back]
        forward += [f"socket={back}"]
    else:
        serve += ["-i", LOOPBACK, "-p", port]
        forward += [f"hostname={LOOPBACK}", f"port={port}"]
    if transport == "tls":
        serve += ["--tls=require", f"--tls-certificates={gnutls}", "--tls-verify-peer"]
        forward += ["tls=require", f"tls-certificates={gnutls}"]
    processes.start(f"nbdkit-server-{transport}", serve + ["file", f"file={place.disk}"],
                    lambda: is_socket(back) if transport == "unix" else accepts(port))
    processes.start(f"nbdkit-client-{transport}", forward, lambda: is_socket(front))
    found = {"client": uri(front)}
    if transport == "unix":
        found["server"] = uri(back)
    return found
