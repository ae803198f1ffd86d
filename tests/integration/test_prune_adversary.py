"""Prune against a server that lies: what it takes out is archived, and was allowed by all that the server had told.

Each kind of lie is played in `ARCHIVER_CAMPAIGN` scripts, 4 if nothing is said; a report of all kinds is printed by
`python -m tests.integration.test_prune_adversary 20`.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from archiver.accounts.imap import delete as delete_module
from archiver.ops import prune as prune_module
from tests.integration.adversary import BEYOND, BEYOND_LOST, RIGHT, WRONG, Script, Tally
from tests.integration.lies import LIES

SCRIPTS = int(os.environ.get("ARCHIVER_CAMPAIGN", "4"))
SEVERAL = 10  # combinations are many

# What cannot be done safely is not done at all.
NOTHING_GOES = {"neither", "opened read only", "moves that do nothing", "copies of nothing"}
HIDES = {"rows that are missing", "rows without sense"}  # then a folder is mostly left alone
TAKES_MORE = {"an expunge that takes all that is marked", "moves of one more", "several at once"}


def campaign(kind: str, scripts: int, state: Path) -> Tally:
    """Play scripts of one kind; the same seeds give the same scripts."""
    tally = Tally()
    for number in range(scripts * (SEVERAL if kind == "several at once" else 1)):
        script = Script(f"{kind} {number}", state / str(number))
        LIES[kind](script)
        script.play(tally)
    return tally


@pytest.mark.parametrize("kind", LIES)
def test_a_server_that_lies_makes_nothing_go_that_is_not_archived(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_module, "CHUNK", 7)
    monkeypatch.setattr(delete_module, "BATCH", 4)
    tally = campaign(kind, SCRIPTS, tmp_path)
    assert tally.wrong == []
    assert tally.searches == [], "nothing is chosen by a SEARCH"
    assert tally.decisions >= 50 * SCRIPTS // 4
    if kind in NOTHING_GOES:
        assert tally.taken == 0
    elif kind not in HIDES:
        assert tally.fates[RIGHT] > 0, "nothing was tried"
    if kind not in TAKES_MORE:
        assert tally.fates[BEYOND] + tally.fates[BEYOND_LOST] == 0


def report(scripts: int) -> None:
    """Play all kinds, and print what came of them."""
    prune_module.CHUNK, delete_module.BATCH = 7, 4
    total = Tally()
    print("| Kind of lie | Scripts | Decisions | Planned | Taken out | Wrongly |\n|---|--:|--:|--:|--:|--:|")
    for kind in LIES:
        with tempfile.TemporaryDirectory() as state:
            one = campaign(kind, scripts, Path(state))
        print(
            f"| {kind} | {one.scripts} | {one.decisions} | {one.planned} | {one.taken} | {len(one.wrong)} |"
        )
        total.scripts += one.scripts
        total.decisions += one.decisions
        total.planned += one.planned
        total.fates += one.fates
        total.errors += one.errors
        total.wrong += one.wrong
        total.searches += one.searches
    print(
        f"| all | {total.scripts} | {total.decisions} | {total.planned} | {total.taken} | {len(total.wrong)} |\n"
    )
    for fate, count in [*total.fates.most_common(), *total.errors.most_common()]:
        print(f"{count:6} {fate}")
    print("\n".join(total.wrong))
    assert not total.searches
    assert not WRONG & set(total.fates)


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else SCRIPTS)
