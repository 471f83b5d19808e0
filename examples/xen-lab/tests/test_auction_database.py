"""The auction's clients, its database and its books against a real MariaDB on this machine (packages mariadb-server-core and
python3-pymysql; Debian's /usr/bin/python3): what must be seen is seen, and nothing else."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab import database
from xenlab.bidding import CLIENTS, Load, Written
from xenlab.bookkeeping import Audit, audit
from xenlab.database import NAME, Server
from xenlab.settings import TARGET

BOUND_SECONDS = 60
WRITES = 40
PAGE = 16 << 10  # InnoDB's


class Auction(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        TARGET.mkdir(parents=True, exist_ok=True)
        directory = tempfile.TemporaryDirectory(dir=TARGET)  # on a disk, for O_DIRECT
        cls.addClassCleanup(directory.cleanup)
        cls.made = Path(directory.name) / "made"
        database.make(cls.made)

    def setUp(self):
        directory = tempfile.TemporaryDirectory(dir=self.made.parent)
        self.addCleanup(directory.cleanup)
        self.place = Path(directory.name)
        self.data = self.place / "data"
        shutil.copytree(self.made, self.data)

    def told(self, server: Server) -> list[Written]:
        """What three clients were told until they had written so much."""
        with Load(server.connect) as load:
            wait_until(lambda: len(load.written) >= WRITES or load.errors)
        self.assertEqual((load.errors, load.reconnects), ([], 0))
        return load.written

    def books(self, told: list[Written]) -> Audit:
        with Server(self.data) as server, server.connect() as connection:
            return audit(connection, told)

    def test_all_that_was_told_is_there_once_also_after_a_restart(self):
        with Server(self.data) as server:
            told = self.told(server)
            with server.connect() as connection:
                self.assertEqual(audit(connection, told), Audit(written=len(told)))
        self.assertEqual(self.books(told), Audit(written=len(told)))

    def test_a_database_that_is_killed_has_lost_nothing_that_was_told_and_its_clients_do_not_come_back(self):
        with Server(self.data) as server:
            load = Load(server.connect)
            with load:
                wait_until(lambda: len(load.written) >= WRITES)
                server.end(signal.SIGKILL)
                wait_until(lambda: len(load.errors) == CLIENTS)
        found = self.books(load.written)
        in_flight = {str(client.visitor.requests) for client in load.clients}
        self.assertLessEqual({each.partition(" ")[2] for each in found.unknown}, in_flight)
        found.unknown.clear()
        self.assertEqual(found, Audit(written=len(load.written)))
        self.assertNotIn("[ERROR]", server.log.read_text())

    def test_a_bid_that_is_lost_doubled_or_changed_is_seen_and_its_item_as_well(self):
        with Server(self.data) as server:
            told = self.told(server)
            first, second, third = [each for each in told if each.kind == "bid"][:3]
            with server.connect() as connection:
                connection.ask(f"DELETE FROM bids WHERE request = {first.request}")
                connection.ask("INSERT INTO bids SELECT NULL, user_id, item_id, bid, date, request FROM bids "
                               f"WHERE request = {second.request}")
                connection.ask(f"UPDATE bids SET bid = bid + 1000 WHERE request = {third.request}")
                found = audit(connection, told)
        user, item, amount = third.values
        self.assertEqual(found, Audit(
            len(told), lost=[f"bid {first.request}"], doubled=[f"bid {second.request}"],
            changed=[f"bid {third.request}: told {third.values}, found {(user, item, amount + 1000)}"],
            disagreeing=sorted({each.values[1] for each in (first, second, third)})))

    def test_any_write_that_is_lost_is_seen(self):
        with Server(self.data) as server:
            told = self.told(server)
            lost = [next(each for each in told if each.kind == kind) for kind in ("comment", "sell")]
            with server.connect() as connection:
                for each, table in zip(lost, ("comments", "items")):
                    connection.ask(f"DELETE FROM {table} WHERE request = {each.request}")
                found = audit(connection, told)
        self.assertEqual(found.lost, [f"{each.kind} {each.request}" for each in lost])

    def test_a_damaged_table_is_seen(self):
        table = self.data / NAME / "bids.ibd"
        with open(table, "r+b") as file:
            file.seek(20 * PAGE)
            file.write(os.urandom(40 * PAGE))
        damaged = self.books([]).damaged
        self.assertTrue(any(each.startswith(f"{NAME}.bids: ") and "corrupt" in each for each in damaged), damaged)

    def test_a_disk_has_a_clean_file_system_with_the_database_and_nothing_of_before(self):
        disk = self.place / "disk"
        disk.write_bytes(os.urandom(PAGE) * (96 << 20 >> 14))
        database.make_disk(disk)
        fsck = subprocess.run(["e2fsck", "-f", "-n", disk], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(fsck.returncode, 0, fsck.stdout)
        dumped = self.place / "dumped"
        dumped.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump / {dumped}", disk], check=True, capture_output=True)
        with Server(dumped) as server, server.connect() as connection:
            self.assertEqual(audit(connection, []), Audit())


def wait_until(what) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not what():
        assert time.monotonic() < deadline, f"expected it within {BOUND_SECONDS} s"
        time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
