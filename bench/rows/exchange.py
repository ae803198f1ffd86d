"""Mail of Exchange, from the double of its Web Services: both figures are for the most part the double's own."""

import os
import random
import sys
from collections.abc import Iterator

from bench.exchange import PASSWORD
from bench.measure import Used, in_turns, run
from bench.programs import ROOT
from bench.setting import Setting
from bench.table import Row, compared, mib
from tests.servers.ews.filling import mail
from tests.servers.ews.server import EwsDouble

_BIG = 50 << 20
_LIMIT = 400  # MiB


def exchange(setting: Setting) -> Iterator[Row]:
    """Compare with exchangelib alone; look at the memory that a large item takes."""
    count = setting.messages // 10
    setting.work.mkdir(parents=True, exist_ok=True)
    with EwsDouble() as double:
        dice = random.Random(1)
        many = double.add_mailbox("many@example.com", PASSWORD).folder("inbox")
        for number in range(count):
            many.deliver(mail(dice, number, attached=number % 7 == 0))
        big = double.add_mailbox("big@example.com", PASSWORD).folder("inbox")
        big.deliver(b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 4 * (_BIG // 64))

        def fetch(how: str, user: str) -> Used:
            words = [sys.executable, "-m", "bench.exchange", how, double.url, f"{user}@example.com"]
            env = {**os.environ, "PYTHONPATH": str(ROOT)}
            return run(words, env=env, log=setting.work / f"exchange-{how}.log")

        ours, theirs = in_turns(
            setting.rounds, lambda: fetch("archiver", "many"), lambda: fetch("plain", "many")
        )
        what = f"fetch of {count:,} mails from Exchange ({count / ours.wall_s:.0f} a second)"
        yield compared(what, ours, theirs, "exchangelib", 2.5)
        rss = fetch("archiver", "big").rss
        what = f"peak memory of a fetch from Exchange, with a message of {_BIG >> 20} MiB"
        yield Row(what, mib(rss), "", "", f"{_LIMIT} MiB", rss <= _LIMIT << 20)
