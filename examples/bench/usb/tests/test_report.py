"""That goals are computed from what was measured, and a missing or worse number is seen; and what machine and proxy tell."""

import json
import socket
import sys
import threading
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCH), str(BENCH.parent / "remote"), str(BENCH.parents[1] / "xen-lab")]

from remotebench.processes import BenchError  # noqa: E402 - the path above
from usbbench import machine, report  # noqa: E402
from usbbench.cuts import CuttingProxy  # noqa: E402
from usbbench.load import WORKLOADS, Endpoints, Sample  # noqa: E402
from usbbench.stacks import description  # noqa: E402

MIB = 1 << 20
CUTS = {"wanted": 1000, "cuts": 1001, "sent_words": 10, "read_words": 10, "errors": 0, "lost_words": 0, "doubled_words": 0, "overtaken": 0}


def sample(micros: int, mib_per_second: float = 1) -> Sample:
    return Sample(seconds=1, bytes=round(mib_per_second * MIB), errors=0, micros=[micros] * 100, ends=list(range(100)))


def results(place: str, ours: Sample, peer: str, theirs: Sample) -> report.Results:
    return {place: {workload.name: {"netchannel": [ours], peer: [theirs]} for workload in WORKLOADS}}


def missed(found: report.Results, cuts: dict | None = None, many: dict | None = None) -> list[str]:
    return [goal["name"] for goal in report.goals(report.figures(found), cuts, many) if not goal["met"]]


class GoalsTest(unittest.TestCase):
    def test_faster_than_usbip_meets_its_goals(self):
        self.assertEqual([], missed(results("machine", sample(69, 131), "usbip", sample(100, 100))))

    def test_the_worst_counts(self):
        found = results("machine", sample(69, 131), "usbip", sample(100, 100))
        found["machine"]["in-512"]["netchannel"] = [sample(71)]
        found["machine"]["out-64k-16"]["netchannel"] = [sample(1, 129)]
        self.assertEqual(["p50 of small requests over usbip's, the worst", "64 KiB throughput over usbip's, the worst"], missed(found))

    def test_a_missing_number_meets_nothing(self):
        found = results("machine", sample(1, 200), "usbip", sample(100, 100))
        del found["machine"]["control"]["usbip"]
        self.assertEqual(["p50 of small requests over usbip's, the worst"], missed(found))

    def test_usbredir_is_compared_where_it_was(self):
        self.assertEqual(["64 KiB throughput over usbredir's, the worst, umockdev"],
                         missed(results("umockdev", sample(1, 99), "usbredir", sample(1, 100))))

    def test_one_word_lost_or_doubled_is_seen(self):
        self.assertEqual([], missed({}, CUTS))
        for name in ("lost_words", "doubled_words"):
            self.assertEqual(["words lost or doubled over the cuts"], missed({}, CUTS | {name: 1}))
        self.assertEqual(["words lost or doubled over the cuts"], missed({}, CUTS | {"read_words": 0}))
        self.assertEqual(["cuts"], missed({}, CUTS | {"cuts": 999}))

    def test_one_device_less_is_seen(self):
        self.assertEqual([], missed({}, many={"wanted": 50, "devices": 50}))
        self.assertEqual(["devices on one daemon that answer all"], missed({}, many={"wanted": 50, "devices": 49}))


class FiguresTest(unittest.TestCase):
    def test_percentiles_are_of_all_rounds(self):
        found = report.of(WORKLOADS[0], [sample(1), sample(3), sample(2)])
        self.assertEqual((2, 3), (found["p50_micros"], found["p99_micros"]))

    def test_jitter_is_the_distance_from_eight_milliseconds(self):
        isochronous = next(each for each in WORKLOADS if each.kind == "isochronous")
        found = report.of(isochronous, [Sample(1, 1, 0, [1] * 3, [0, 8100, 16000], missed=2)])
        self.assertEqual((100, 100, 2), (found["jitter_p50_micros"], found["jitter_p99_micros"], found["underruns"]))

    def test_table_names_what_is_compared(self):
        table = report.table(report.figures(results("machine", sample(69, 131), "usbip", sample(100, 100))))
        self.assertRegex(table, r"control, 18 bytes +69 / 69 +100 / 100")
        self.assertRegex(table, r"bulk IN, 64 KiB, 16 outstanding +131.0 MiB/s +100.0 MiB/s")


class LoadTest(unittest.TestCase):
    def test_a_device_without_an_endpoint_is_not_asked(self):
        interrupt = next(each for each in WORKLOADS if each.kind == "interrupt")
        self.assertIsNone(interrupt.line(Endpoints("0x1", "0x81"), 10))

    def test_requests_fill_the_depth(self):
        deep = next(each for each in WORKLOADS if each.depth == 16)
        self.assertEqual("bulk 0x1 65536 16 16", deep.line(Endpoints("0x1", "0x81"), 4))

    def test_a_failed_request_is_an_error(self):
        with self.assertRaisesRegex(BenchError, "found 1 of 2"):
            Sample.read('{"seconds": 1, "bytes": 0, "errors": 1, "micros": [1, 2], "ends": [0, 1]}', "control")


class MachineTest(unittest.TestCase):
    ANSWER = {"seconds": 1, "bytes": 1, "errors": 0, "ends": [0]}

    def lines(self, product: str, round_micros: int) -> str:
        warm_ups = [self.ANSWER | {"micros": [9000 - number]} for number in range(machine.WARM_UPS)]
        answers = [{"devices": 1}, *warm_ups, self.ANSWER | {"micros": [round_micros]}]
        return "".join(f"{product} {json.dumps(answer)}\n" for answer in answers)

    def test_what_warms_up_does_not_count(self):
        text = "".join(self.lines(product, micros) for micros in (1, 2) for product in machine.PRODUCTS)
        found = machine.samples(text, ["control"], 2, Path("/dev/null"))
        self.assertEqual([[1], [2]], [each.micros for each in found["usbip"]["control"]])
        self.assertEqual([9001 - machine.WARM_UPS] * 2, [each.before for each in found["usbip"]["control"]])

    def test_a_product_that_gave_up_is_an_error(self):
        text = "".join(self.lines(product, 1) for product in machine.PRODUCTS if product != "usbip")
        with self.assertRaisesRegex(BenchError, f"expected {2 + machine.WARM_UPS} answers of usbip"):
            machine.samples(text, ["control"], 1, Path("/dev/null"))


class DescriptionTest(unittest.TestCase):
    def test_descriptors_have_the_lengths_they_tell(self):
        line = next(each for each in description().splitlines() if each.startswith("H: descriptors="))
        found = bytes.fromhex(line.partition("=")[2])
        self.assertEqual(len(found) - 18, found[18 + 2])
        places = [0]
        while places[-1] < len(found):
            places.append(places[-1] + found[places[-1]])
        self.assertEqual(len(found), places[-1])


class ProxyTest(unittest.TestCase):
    def test_a_connection_is_cut_once_when_it_is_to_be(self):
        with socket.create_server(("127.0.0.1", 0)) as echo:
            threading.Thread(target=self.answer, args=(echo,), daemon=True).start()
            with CuttingProxy(echo.getsockname()[1]) as proxy:
                with socket.create_connection(("127.0.0.1", proxy.port)) as whole:
                    whole.sendall(b"x" * 400_000)
                    self.assertEqual(400_000, self.received(whole, 400_000))
                self.assertEqual(0, proxy.cuts)
                proxy.cutting = True
                with socket.create_connection(("127.0.0.1", proxy.port)) as cut:
                    threading.Thread(target=self.send, args=(cut,), daemon=True).start()
                    self.assertLess(self.received(cut, 400_000), 400_000)
                self.assertEqual(1, proxy.cuts)

    @staticmethod
    def answer(echo: socket.socket) -> None:
        for _ in range(2):
            connection, _ = echo.accept()
            threading.Thread(target=ProxyTest.back, args=(connection,), daemon=True).start()

    @staticmethod
    def back(connection: socket.socket) -> None:
        try:
            while piece := connection.recv(4096):
                connection.sendall(piece)
        except OSError:
            pass  # cut
        connection.close()

    @staticmethod
    def send(connection: socket.socket) -> None:
        try:
            connection.sendall(b"x" * 400_000)
        except OSError:
            pass  # cut

    @staticmethod
    def received(connection: socket.socket, wanted: int) -> int:
        count = 0
        try:
            while count < wanted and (piece := connection.recv(65536)):
                count += len(piece)
        except OSError:
            pass  # cut
        return count


if __name__ == "__main__":
    unittest.main()
