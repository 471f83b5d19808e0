"""The clients of scenario auction, their books, figures and picture, without a database: test_auction_database.py has one."""

import re
import sys
import threading
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xenlab.auction_report import MARKS, WINDOW_SECONDS, Course, Window, figures, goals, percentile, picture
from xenlab.bidding import CATEGORIES, CLIENTS, ITEMS, MIX, USERS, WRITING, Client, Interaction, Load, Visitor, Written
from xenlab.bookkeeping import COLUMNS, Audit
from xenlab.database import SCHEMA, SEPARATOR, TABLES, DatabaseError
from xenlab.goals import Goal
from xenlab.plot import Line, LinePanel, over_time
from xenlab.report import Failure

MANY = 20_000


def asked(number: int) -> list[tuple]:
    """By the client of this number."""
    visitor = Visitor(number)
    return [visitor.next() for _ in range(MANY)]


class Mix(unittest.TestCase):
    def test_fifteen_of_a_hundred_write(self):
        kinds = Counter(kind for kind, _ in asked(1))
        self.assertEqual(sum(MIX[kind] for kind in WRITING), 15)
        self.assertEqual(sum(MIX.values()), 100)
        for kind, wanted in MIX.items():
            self.assertAlmostEqual(100 * kinds[kind] / MANY, wanted, delta=1, msg=kind)

    def test_a_visitor_asks_the_same_each_time_and_another_one_something_else(self):
        self.assertEqual(asked(1), asked(1))
        self.assertNotEqual(asked(1), asked(2))

    def test_no_two_writes_have_the_same_request(self):
        requests = [arguments[0] for number in range(1, CLIENTS + 1) for kind, arguments in asked(number) if kind in WRITING]
        self.assertGreater(len(requests), MANY * CLIENTS / 10)
        self.assertEqual(len(requests), len(set(requests)))

    def test_each_interaction_is_a_procedure_of_the_schema_with_its_arguments_and_what_it_names_is_there(self):
        schema = SCHEMA.read_text()
        procedures = {name: arguments.count("IN ") for name, arguments in re.findall(r"CREATE PROCEDURE (\w+)\((.*)\)", schema)}
        most = {"categories": CATEGORIES, "users": USERS, "items": ITEMS}
        for kind, arguments in asked(1):
            self.assertEqual(len(arguments), procedures[kind], kind)
        for table, rows in most.items():
            [statement] = [each for each in schema.split(SEPARATOR) if each.startswith(f"INSERT INTO {table}")]
            self.assertIn(f"FROM seq_1_to_{rows}", statement)
        self.assertEqual(set(re.findall(r"CREATE TABLE (\w+)", schema)), set(TABLES))


class Scripted:
    """A connection whose database does all it is asked, until it fails at its asking of this number."""

    def __init__(self, stop: threading.Event, asks: int, fails_at: int = 0, session_at_the_end: int = 7):
        self.stop, self.asks, self.fails_at, self.session_at_the_end = stop, asks, fails_at, session_at_the_end
        self.session, self.asked = 7, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, statement: str) -> list:
        if statement == "SELECT CONNECTION_ID()":
            return [((self.session_at_the_end,),)]
        self.asked.append(statement)
        if len(self.asked) == self.fails_at:
            raise DatabaseError("gone away")
        if len(self.asked) == self.asks:
            self.stop.set()
        return [((4711,),)] if statement.startswith("CALL bid(") else []


class Clients(unittest.TestCase):
    def run_client(self, **script) -> tuple[Client, Scripted, list]:
        stop, connections = threading.Event(), []

        def connect():
            connections.append(Scripted(stop, **script))
            return connections[-1]

        client = Client(1, connect, stop)
        client.run()
        return client, connections[0], connections

    def test_what_was_answered_is_counted_and_what_was_written_is_logged(self):
        client, connection, _ = self.run_client(asks=200)
        self.assertEqual((len(client.interactions), client.error), (200, ""))
        asked = [re.fullmatch(r"CALL (\w+)\((.*)\)", each).groups() for each in connection.asked]
        wrote = [(kind, [int(n) for n in arguments.split(", ")]) for kind, arguments in asked if kind in WRITING]
        self.assertEqual([(each.kind, each.request) for each in client.written], [(kind, numbers[0]) for kind, numbers in wrote])
        for each, (kind, numbers) in zip(client.written, wrote):
            # What a bid came to is the database's word.
            self.assertEqual(each.values, (*numbers[1:-1], 4711 if kind == "bid" else numbers[-1]))
        self.assertEqual({each.kind for each in client.written}, set(WRITING))

    def test_what_was_not_answered_is_not_logged_and_nobody_connects_again(self):
        _, connection, _ = self.run_client(asks=200)
        first_write = 1 + next(n for n, each in enumerate(connection.asked) if re.match(rf"CALL ({'|'.join(WRITING)})\(", each))
        client, connection, connections = self.run_client(asks=200, fails_at=first_write)
        self.assertEqual((len(client.interactions), client.written), (first_write - 1, []))
        self.assertIn("gone away", client.error)
        self.assertEqual((len(connections), len(connection.asked)), (1, first_write))

    def test_an_answer_that_is_none_is_an_error(self):
        stop = threading.Event()
        connection = Scripted(stop, asks=200)
        connection.ask = lambda statement: []
        client = Client(1, lambda: connection, stop)
        client.run()
        self.assertIn("ValueError", client.error)

    def test_a_load_tells_errors_and_reconnects_of_all_clients(self):
        connections = iter([{}, {"fails_at": 3}, {"session_at_the_end": 8}])
        load = Load(lambda: None)
        for client in load.clients:
            client.connect = lambda script=next(connections): Scripted(client.stop, asks=50, **script)
            client.stop = threading.Event()
            client.run()
        self.assertEqual(len(load.errors), 1)
        self.assertEqual(load.reconnects, 1)
        times = [each.at for each in load.interactions]
        self.assertEqual((len(times), times), (102, sorted(times)))


class Books(unittest.TestCase):
    TOLD = [Written("bid", number, (1, 2, 100 + number)) for number in range(1, 6)]
    THERE = [(each.request, *each.values) for each in TOLD]

    def compared(self, there) -> Audit:
        found = Audit()
        found.compare("bid", self.TOLD, there)
        return found

    def test_all_there_once(self):
        self.assertEqual(self.compared(self.THERE), Audit(written=5))

    def test_one_is_lost(self):
        self.assertEqual(self.compared(self.THERE[1:]), Audit(written=5, lost=["bid 1"]))

    def test_one_is_there_twice(self):
        self.assertEqual(self.compared(self.THERE + self.THERE[:1]), Audit(written=5, doubled=["bid 1"]))

    def test_one_is_another(self):
        self.assertEqual(self.compared([(1, 1, 2, 999), *self.THERE[1:]]).changed, ["bid 1: told (1, 2, 101), found (1, 2, 999)"])

    def test_one_was_told_to_nobody(self):
        self.assertEqual(self.compared([*self.THERE, (6, 1, 2, 100)]), Audit(written=5, unknown=["bid 6"]))

    def test_what_is_compared_are_the_values_a_client_has(self):
        for kind, arguments in asked(1):
            if kind in WRITING:
                self.assertEqual(len(COLUMNS[kind][1].split(", ")), len(arguments) - 1)


def answered(*times: float, seconds: float = 0.1) -> list[Interaction]:
    return [Interaction(at, seconds, "view") for at in times]


def steady(begin: float, end: float, rate: float, seconds: float = 0.1) -> list[Interaction]:
    return answered(*(begin + n / rate for n in range(round((end - begin) * rate))), seconds=seconds)


def course(swap_rate: float = 8, after_rate: float = 10) -> Course:
    phases = [(1000, 1060, 10), (1060, 1100, 4), (1100, 1130, 10), (1130, 1230, swap_rate), (1230, 1300, after_rate)]
    return Course(1000, 1300, [each for begin, end, rate in phases for each in steady(begin, end, rate)],
                  {"migrate": 1060, "migrated": 1100, "swap": 1130, "sync": 1210, "switched": 1230, "gone": 1270})


BORN_THERE = Course(500, 620, steady(500, 620, 10))


class Figures(unittest.TestCase):
    def test_percentile_is_the_least_value_that_so_many_are_not_above(self):
        self.assertEqual(percentile([3], 0.99), 3)
        self.assertEqual(percentile(list(range(1, 101)), 0.99), 99)
        self.assertEqual(percentile(list(range(1, 101)), 0.5), 50)
        self.assertEqual(percentile([9, 1], 0.99), 9)

    def test_windows_begin_with_the_beginning_and_one_that_is_not_over_is_none(self):
        found = Course(100, 100 + 2.5 * WINDOW_SECONDS, answered(99.9, 100, 109.9, 110, 121)).windows()
        self.assertEqual(found, [Window(5, 0.2, 0.1), Window(15, 0.1, 0.1)])

    def test_a_window_without_an_answer_has_no_longest_wait(self):
        self.assertEqual(Course(0, 20, answered(1)).windows()[1], Window(15, 0, None))

    def test_rates_are_medians_of_the_phases_own_windows(self):
        self.assertEqual(course().rates(), {"before": 10, "migration": 4, "between": 10, "swap": 8, "after": 10})
        unsteady = Course(0, 30, steady(0, 10, 1) + steady(10, 20, 50) + steady(20, 30, 3))
        self.assertEqual(unsteady.rate(0, 30), 3)

    def test_a_phase_too_short_for_a_window_has_the_rate_of_all_of_it(self):
        self.assertEqual(Course(0, 100, steady(0, 100, 4)).rate(10, 15), 4)

    def test_marks_and_windows_are_told_from_the_same_beginning(self):
        told = figures(course(), BORN_THERE)
        self.assertEqual(told["marks"], {"migrate": 60, "migrated": 100, "swap": 130, "sync": 210, "switched": 230, "gone": 270})
        self.assertEqual((told["windows"][6]["at"], told["windows"][6]["rate"]), (65, 4))
        self.assertEqual(told["rates"]["born_at_the_destination"], 10)
        self.assertEqual(len(told["windows_without_migration"]), 12)
        self.assertEqual(course().csv().splitlines()[1], "0.000,view,0.100")


class Goals(unittest.TestCase):
    NONE = {"client errors": 0, "reconnects": 0}

    def missed(self, course=course(), audit=Audit(), none=NONE) -> list[str]:
        return [goal.name for goal in goals(course, BORN_THERE, audit, none) if not goal.met]

    def test_all_are_met(self):
        self.assertEqual(self.missed(), [])

    def test_each_fault_is_told_by_its_name(self):
        self.assertEqual(self.missed(none=self.NONE | {"client errors": 1}), ["client errors"])
        self.assertEqual(self.missed(audit=Audit(lost=["bid 1"])), ["writes lost"])
        self.assertEqual(self.missed(audit=Audit(doubled=["bid 1"])), ["writes done twice"])
        self.assertEqual(self.missed(audit=Audit(changed=["bid 1"])), ["writes changed"])
        self.assertEqual(self.missed(audit=Audit(unknown=["bid 1"])), ["writes that nobody was told of"])
        self.assertEqual(self.missed(audit=Audit(disagreeing=[3])), ["items that disagree with their bids"])
        self.assertEqual(self.missed(audit=Audit(damaged=["bids"])), ["complaints of CHECK TABLE"])

    def test_rates_have_their_bounds(self):
        self.assertEqual(self.missed(course(swap_rate=6)), [])
        self.assertEqual(self.missed(course(swap_rate=5)), ["rate in the swap, of that before the migration"])
        self.assertEqual(self.missed(course(after_rate=9)), [])
        self.assertEqual(self.missed(course(after_rate=8)), ["rate after the switch, of a guest born at its host"])

    def test_silence_in_the_swap_is_seen_whatever_the_median(self):
        silent = course()
        silent.interactions = [each for each in silent.interactions if not 1150 <= each.at < 1160]
        self.assertEqual(self.missed(silent), ["times of 10 s in the swap without an interaction"])

    def test_a_goal_says_what_was_expected_and_found(self):
        self.assertEqual(Goal("rate", ">=", 0.6, 0.5).figures(), {"name": "rate", "goal": ">= 0.6", "found": 0.5, "met": False})
        self.assertEqual(str(Goal("lost", "=", 0, 2)), "lost: expected = 0, found 2")


class Picture(unittest.TestCase):
    @staticmethod
    def parts(svg: str, name: str) -> list:
        return list(ElementTree.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{name}"))

    def test_both_courses_and_all_marks_are_there(self):
        svg = picture(course(), BORN_THERE)
        words = [each.text for each in self.parts(svg, "text")]
        for what in MARKS.values():
            self.assertEqual(words.count(what), 2, what)
        self.assertEqual(Counter(each.get("stroke") for each in self.parts(svg, "polyline")), {"#2b7bba": 2, "#bbbbbb": 2})

    def test_a_course_that_ended_early_is_drawn_as_far_as_it_came(self):
        early = Course(1000, 1065, steady(1000, 1060, 10), {"migrate": 1060})
        svg = picture(early, BORN_THERE)
        self.assertEqual([each.text for each in self.parts(svg, "text")].count(MARKS["migrate"]), 2)
        self.assertEqual(len(self.parts(svg, "polyline")), 4)
        self.assertEqual(len(self.parts(picture(Course(1000, 1001), Course(0, 1)), "polyline")), 0)

    def test_points_are_at_their_place_and_a_gap_is_none(self):
        panel = LinePanel("x", [Line("one", "red", [(0, 0.0), (50, 10.0), (75, None), (100, 5.0)])])
        first, second = (each.get("points") for each in self.parts(over_time("t", [panel], []), "polyline"))
        self.assertEqual((first, second), ("70.0,330.0 455.0,90.0", "840.0,210.0"))

    def test_logarithmic_ticks_are_powers_of_ten_around_the_values(self):
        panel = LinePanel("x", [Line("one", "red", [(0, 0.02), (100, 3.0)])], logarithmic=True)
        words = [each.text for each in self.parts(over_time("t", [panel], []), "text")]
        self.assertEqual([each for each in words if re.fullmatch(r"[\d.]+", each)], ["0.01", "0.1", "1", "10"])


class Ends(unittest.TestCase):
    def test_who_is_not_answered_is_named(self):
        forever = threading.Event()

        class Hangs(Scripted):
            def ask(self, statement):
                forever.wait()
                raise DatabaseError("ended")

        self.addCleanup(forever.set)
        with mock.patch("xenlab.bidding.ANSWER_SECONDS", 0.05), self.assertRaisesRegex(Failure, "client 1 to be answered"):
            with Load(lambda: Hangs(threading.Event(), 1)):
                pass


if __name__ == "__main__":
    unittest.main()
