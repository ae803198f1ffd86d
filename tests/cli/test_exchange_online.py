"""An account of Exchange Online as it is typed: sign in, pull, verify, restore, prune, and what may stop it."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.command_line import CommandLine
from tests.servers.authority import CLIENT_ID, Authority
from tests.servers.graph.filling import fill
from tests.servers.graph.server import GraphDouble

ADDRESS = "ann@example.org"


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority(user=ADDRESS) as running:
        yield running


@pytest.fixture
def online(authority: Authority) -> Iterator[GraphDouble]:
    with GraphDouble(tokens=authority.access) as running:
        fill(running.mailbox)
        yield running


@pytest.fixture
def other(authority: Authority) -> Iterator[GraphDouble]:
    """An empty mailbox beside it."""
    with GraphDouble(tokens=authority.access) as running:
        yield running


@pytest.fixture
def home(home: CommandLine, authority: Authority, online: GraphDouble, other: GraphDouble) -> CommandLine:
    for name, double in (("work", online), ("new", other)):
        _write(home, name, double, authority)
        done = home.typed("account", "login", name, "-q")
        assert done.exit == 0, done.err
    return home


def _write(home: CommandLine, name: str, double: GraphDouble, authority: Authority) -> None:
    with home.config.open("a") as file:
        file.write(
            f'\n[account.{name}]\narchive = "mail"\nkind = "exchange"\nbackend = "graph"\nurl = "{double.url}"\n'
            f'user = "{ADDRESS}"\ninsecure-plaintext = true\n'
            f'\n[account.{name}.oauth]\nprovider = "generic"\nclient-id = "{CLIENT_ID}"\nscopes = ["Mail.Read"]\n'
            f'device-url = "{authority.url}/device"\ntoken-url = "{authority.url}/token"\n'
        )


def subjects(double: GraphDouble) -> Counter[str]:
    return Counter(
        next(str(one.props[name]) for name in ("subject", "title", "displayName") if name in one.props)
        for one in double.mailbox.items.values()
    )


def test_a_mailbox_is_pulled_listed_and_verified(home: CommandLine, online: GraphDouble) -> None:
    done = home("pull", "work")
    assert done.exit == 0, done.err
    told = home("list", "work", "--json").document["messages"]
    assert Counter(one["kind"] for one in told) == {"mail": 2, "event": 4, "contact": 2, "task": 1}
    assert Counter(one["subject"] for one in told) == subjects(online)
    assert home("verify", "--read", "-q").exit == 0
    before = len(online.seen)
    assert home("pull", "work", "-q").exit == 0
    assert not [one for one in online.seen[before:] if "$value" in one]


def test_a_token_that_ended_is_renewed_without_a_word(home: CommandLine, authority: Authority) -> None:
    assert home("pull", "work", "-q").exit == 0
    authority.access.clear()
    done = home("pull", "work", "-q")
    assert (done.exit, done.err) == (0, "")


def test_an_archive_is_restored_to_another_mailbox_once(
    home: CommandLine, online: GraphDouble, other: GraphDouble
) -> None:
    assert home("pull", "work", "-q").exit == 0
    for _ in range(2):
        done = home("restore", "work", "--to", "new")
        assert done.exit == 0, done.err
        assert subjects(other) == subjects(online)
    assert other.sent_invitations == 0
    there = {one.folder: one.kind for one in other.mailbox.items.values()}
    named = {other.mailbox.folders[folder].name for folder in there}
    assert named == {"Inbox", "Sent Items", "Calendar", "Team_Ops", "Contacts", "Friends", "Tasks"}


def test_old_mail_is_pruned_and_nothing_else(home: CommandLine, online: GraphDouble) -> None:
    assert home("pull", "work", "-q").exit == 0
    before = subjects(online)
    allowed = ("--allow-empty", "INBOX", "--allow-empty", "Sent Items", "--max-share", "100")
    done = home("prune", "work", "--larger-than", "1", "--unread", "--yes", *allowed)
    assert done.exit == 0, done.err
    assert subjects(online) == before
    trash = online.mailbox.folder("deleteditems", "mail").id
    assert {one.props["subject"] for one in online.mailbox.inside(trash)} == {"Figures", "Sent"}
    assert online.sent_invitations == 0
    assert home("pull", "work", "-q").exit == 0
    assert home("verify", "--read", "-q").exit == 0


@pytest.mark.parametrize(
    ("trouble", "exit_code", "word"),
    [("forbidden", 22, '"Mail.Read"'), ("login", 21, "archiver account login"), ("busy", 20, "busy")],
)
def test_what_stops_a_pull_is_told_with_what_to_do(
    home: CommandLine, online: GraphDouble, trouble: str, exit_code: int, word: str
) -> None:
    if trouble == "forbidden":
        online.forbids = ("/mailFolders",)
    elif trouble == "login":
        online.tokens = ()
    else:
        online.busy, online.retry_after = 99, "3600"
    done = home("pull", "work")
    assert done.exit == exit_code
    assert word in done.err
