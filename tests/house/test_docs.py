"""What the documentation says of the code is what the code does, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from archiver import errors
from archiver.config import notify, oauth, reader
from tests.house.tracked import ROOT, tracked

REFERENCE = ROOT / "docs" / "reference"
PAGES = [path for path in tracked() if path.suffix == ".md"]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def rows(page: Path, after: str = "") -> list[list[str]]:
    """Give the cells of the first table after a heading, without its own heading."""
    text = page.read_text()
    table: list[list[str]] = []
    for line in text[text.index(after) :].splitlines()[1 if after else 0 :]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table or (after and line.startswith("## ")):
            break
    assert len(table) > 2, f"no table after {after!r} in {page.name}"
    return table[2:]


def every(kind: type[errors.ArchiverError]) -> set[type[errors.ArchiverError]]:
    return {kind}.union(
        *(every(each) for each in kind.__subclasses__() if each.__module__ == kind.__module__)
    )


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    written = {
        int(exit_code): set(re.findall(r"`([a-z-]+)`", words))
        for exit_code, words, _ in rows(REFERENCE / "exit-codes.md")
    }
    meant: dict[int, set[str]] = {0: set(), 70: set()}
    for each in every(errors.ArchiverError):
        meant.setdefault(each.exit, set()).add(each.code)
    assert written == meant


def test_each_error_has_a_code_word_of_its_own() -> None:
    kinds = every(errors.ArchiverError)
    assert len({each.code for each in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("archive.NAME", reader.ARCHIVE_KEYS),
        ("account.NAME", reader.ACCOUNT_KEYS),
        ("account.NAME.oauth", oauth.OAUTH_KEYS),
        ("account.NAME.prune", reader.PRUNE_KEYS),
        ("notify", notify.NOTIFY_KEYS),
        ("notify.mail", notify.MAIL_KEYS),
        ("warn", reader.WARN_KEYS),
    ],
)
def test_every_key_of_the_configuration_is_documented_and_no_other(table: str, keys: tuple[str, ...]) -> None:
    page = REFERENCE / "configuration.md"
    assert [row[0].strip("`") for row in rows(page, f"## `[{table}]`")] == list(keys)


def test_the_documented_example_of_a_configuration_is_a_valid_one() -> None:
    found = re.search(r"```toml\n(.*?)```", (REFERENCE / "configuration.md").read_text(), re.DOTALL)
    assert found is not None
    assert set(reader.parse(found[1].encode(), Path("/x/config.toml")).accounts) == {"work"}


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as the usual viewers of Markdown make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"
