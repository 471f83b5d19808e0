"""What a guest and the hosts' networks are made of, without hosts."""

import re
import sys
import unittest
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.guest import NAMESPACE, Guest, Machine, netchannel  # noqa: E402 - the path above
from xenlab.hosts import GUESTS, Host, guests_and_clients  # noqa: E402
from xenlab.settings import Options  # noqa: E402

MACHINE = Machine(memory_mib=256, archive="more.cpio", mac="00:16:3e:77:00:09")


def guest(options: Options, machine: Machine | None = None) -> Guest:
    return Guest("web1", SimpleNamespace(a=None, both=()), options, [netchannel("xvdb", "/dev/vdb")], machine=machine)


class GuestXml(unittest.TestCase):
    def test_most_guests_have_no_network_and_one_processor(self):
        xml = ElementTree.fromstring(guest(Options()).xml())
        self.assertEqual((xml.findall("devices/interface"), xml.findtext("memory"), xml.findtext("vcpu")), ([], "128", "1"))

    def test_a_machine_has_its_processors(self):
        self.assertEqual(ElementTree.fromstring(guest(Options(), replace(MACHINE, vcpus=2)).xml()).findtext("vcpu"), "2")

    def test_a_machine_has_an_interface_on_the_guests_bridge_and_its_memory(self):
        xml = ElementTree.fromstring(guest(Options(), MACHINE).xml())
        [interface] = xml.findall("devices/interface")
        self.assertEqual((interface.find("source").get("bridge"), interface.find("mac").get("address")), (GUESTS, MACHINE.mac))
        self.assertEqual(xml.findtext("memory"), "256")

    def test_usb_ports_stand_beside_the_disks_in_the_metadata(self):
        of_one = Guest("web1", SimpleNamespace(a=None, both=()), Options(), [netchannel("xvdb", "/dev/vdb")], usb={3: 'usb:port=1-1'})
        [devices] = ElementTree.fromstring(of_one.xml()).find("metadata")
        self.assertEqual([(each.tag, each.attrib) for each in devices],
                         [(f"{{{NAMESPACE}}}disk", {"target": "xvdb", "source": "file:/dev/vdb"}),
                          (f"{{{NAMESPACE}}}usb", {"port": "3", "source": "usb:port=1-1"})])

    def test_more_memory_that_the_user_wants_is_given(self):
        self.assertEqual(ElementTree.fromstring(guest(Options(guest_memory_mib=512), MACHINE).xml()).findtext("memory"), "512")


class Networks(unittest.TestCase):
    def test_every_interface_and_every_port_of_the_hub_has_its_other_end_and_no_end_has_two(self):
        host = Host("hosta", 1, 2201, "listen=127.0.0.1:5001", guests_and_clients({"guests": 5002, "database": 5003}), Path("/run"),
                    SimpleNamespace(drives=lambda name: []))
        command = host.qemu(Path("overlay"))
        options = [command[at + 1] for at, word in enumerate(command) if word in ("-netdev", "-device")]
        ends = [end for each in options for end in re.findall(r"netdev=([\w-]+)", each)]
        ids = [each for option in options for each in re.findall(r",id=([\w-]+)", option)]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(sorted(ends), sorted(each for each in ids if not each.startswith("to-")))
        self.assertEqual(sum("hubport" in each for each in options), 3)
        self.assertTrue(any("hostfwd=tcp:127.0.0.1:5003-10.78.0.9:3306" in each for each in options), options)


if __name__ == "__main__":
    unittest.main()
