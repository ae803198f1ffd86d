"""The rows of the table, in groups: a group is a file with one function that gives its rows."""

from collections.abc import Callable, Iterator

from bench.rows.distance import distance
from bench.rows.exchange import exchange
from bench.rows.many import many
from bench.rows.memory import memory
from bench.rows.night import night
from bench.rows.nothing import nothing
from bench.rows.pop3 import pop3
from bench.rows.pull import pull
from bench.rows.restore import restore
from bench.rows.size import size
from bench.rows.verify import verify
from bench.setting import Setting
from bench.table import Row

GROUPS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "pull": pull,
    "nothing": nothing,
    "night": night,
    "many": many,
    "restore": restore,
    "verify": verify,
    "size": size,
    "memory": memory,
    "distance": distance,
    "pop3": pop3,
    "exchange": exchange,
}
