"""Measure and print the table: `python -m bench [GROUP ...]`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench import table
from bench.rows import GROUPS
from bench.setting import USERS, Setting
from tests.servers.dovecot import Dovecot


def main(words: list[str] | None = None) -> int:
    """Run the groups asked for; 0 even if a bound is not reached: the table says so."""
    asked = _parse(words)
    work = Path(tempfile.mkdtemp(prefix="archiver-bench-", dir=asked.work))
    work.chmod(0o755)  # where root runs this, Dovecot reads the corpus as another user
    try:
        with Dovecot(users=USERS, pop3=True) as server:
            setting = Setting(
                server,
                work,
                messages=asked.messages,
                rounds=asked.rounds,
                corpus=asked.corpus,
                say=lambda text: print(text, file=sys.stderr, flush=True),
            )
            _print(setting, asked.groups or list(GROUPS))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def _print(setting: Setting, groups: list[str]) -> None:
    for fact in table.machine():
        print(f"- {fact}")
    print(f"- median of {setting.rounds}, in turns\n")
    for text in table.head():
        print(text, flush=True)
    for group in groups:
        for row in GROUPS[group](setting):
            print(table.line(row), flush=True)


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measure archiver beside other programs.")
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all if not given"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--messages", type=int, default=20_000, help="size of the corpus (20000)")
    parser.add_argument(
        "--corpus",
        default="auto",
        metavar="own|shared|DIR",
        help="which mail: made by bench/corpus.py, by the generator the bounds were taken with, or a Maildir "
        "tree (made there if it is not); shared if that generator is there",
    )
    parser.add_argument(
        "--work", default="/var/tmp", help="a folder on a real disk: durability costs nothing in memory"
    )
    asked = parser.parse_args(words)
    unknown = set(asked.groups) - set(GROUPS)
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
