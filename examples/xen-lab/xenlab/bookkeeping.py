"""Whether what the auction's clients were told is in its tables, each once, and the tables agree with themselves."""

from collections import Counter
from dataclasses import dataclass, field

from .bidding import Written
from .database import TABLES, Connection, DatabaseError

# Where a kind of writing goes: its table, and the columns that have a client's values.
COLUMNS = {
    "bid": ("bids", "user_id, item_id, bid"),
    "comment": ("comments", "from_user_id, to_user_id, item_id, rating"),
    "sell": ("items", "seller, category, initial_price"),
}
DISAGREEING = """SELECT items.id FROM items LEFT JOIN (SELECT item_id, COUNT(*) AS n, MAX(bid) AS most FROM bids GROUP BY item_id) AS b
  ON b.item_id = items.id WHERE nb_of_bids <> COALESCE(n, 0) OR max_bid <> COALESCE(most, initial_price) ORDER BY items.id"""


@dataclass
class Audit:
    written: int = 0  # told to the clients
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # there, and nobody was told
    disagreeing: list[int] = field(default_factory=list)  # items whose counters are not those of their bids
    damaged: list[str] = field(default_factory=list)  # tables, in the database's words

    def compare(self, kind: str, told: list[Written], there: list[tuple[int, ...]]) -> None:
        """`there`: request and values of each row that has a request."""
        times = Counter(request for request, *_ in there)
        values = {request: tuple(rest) for request, *rest in there}
        known = {each.request for each in told}
        self.written += len(told)
        self.lost += [f"{kind} {each.request}" for each in told if not times[each.request]]
        self.doubled += [f"{kind} {request}" for request, count in times.items() if count > 1]
        self.changed += [f"{kind} {each.request}: told {each.values}, found {values[each.request]}" for each in told
                         if values.get(each.request, each.values) != each.values]
        self.unknown += [f"{kind} {request}" for request in times if request not in known]


def audit(connection: Connection, told: list[Written]) -> Audit:
    found = Audit()
    try:
        [rows] = connection.ask(f"CHECK TABLE {', '.join(TABLES)} EXTENDED")
        found.damaged += [f"{table}: {text}" for table, _, kind, text in rows if (kind, text) != ("status", "OK")]
        for kind, (table, columns) in COLUMNS.items():
            [there] = connection.ask(f"SELECT request, {columns} FROM {table} WHERE request IS NOT NULL")
            found.compare(kind, [each for each in told if each.kind == kind], there)
        [items] = connection.ask(DISAGREEING)
        found.disagreeing += [item for item, in items]
    except DatabaseError as error:
        found.damaged.append(str(error))
    return found
