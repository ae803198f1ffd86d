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
from archiver.accounts.imap.delete import Remover
from archiver.ops import prune as prune_module
from archiver.plan import prune as plan_module
from tests.integration.adversary import (
    BEYOND,
    BEYOND_LOST,
    FORBIDDEN,
    NOT_ARCHIVED,
    NOT_LOOKED_AT,
    NOT_THE_SAME,
    RIGHT,
    WENT_ON,
    WRONG,
    Script,
    Tally,
)
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


@pytest.mark.parametrize(
    ("where", "name", "careless", "kind", "fate"),
    [
        (plan_module, "_why_another", lambda *_: None, "uids used again before the plan", NOT_THE_SAME),
        (plan_module, "_why_marked", lambda *_: None, "none at all", FORBIDDEN),
        (
            plan_module,
            "_why_unproven",
            lambda *_: None,
            "content swapped before the plan with refetch",
            NOT_ARCHIVED,
        ),
        (
            prune_module._FolderRemoval,
            "_look",
            lambda self, keys, fetched=None: dict.fromkeys(keys),
            "uids used again before the removal",
            NOT_LOOKED_AT,
        ),
        (Remover, "_stop_for", lambda *_: None, "moves of one more", WENT_ON),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith(("_", "why")) else "",
)
def test_the_campaign_notices_a_prune_that_is_careless(
    where: object,
    name: str,
    careless: object,
    kind: str,
    fate: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prune_module, "CHUNK", 7)
    monkeypatch.setattr(delete_module, "BATCH", 4)
    monkeypatch.setattr(where, name, careless)
    assert campaign(kind, 3, tmp_path).fates[fate] > 0


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
