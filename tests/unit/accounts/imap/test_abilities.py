"""What capabilities mean is said as it is."""

import pytest

from archiver.accounts.imap.abilities import told


@pytest.mark.parametrize(
    ("capabilities", "changes", "removal"),
    [
        ({"IMAP4REV1"}, "cannot tell", "can do nothing"),
        ({"IMAP4REV1", "CONDSTORE", "MOVE"}, "(CONDSTORE), not what is gone", "and not remove them for good"),
        ({"CONDSTORE", "QRESYNC", "UIDPLUS"}, "(QRESYNC)", "by a copy"),
        ({"QRESYNC", "XAPPLELITERAL", "CONDSTORE", "MOVE", "UIDPLUS"}, "(CONDSTORE)", "(MOVE, UIDPLUS)"),
        ({"IMAP4REV2"}, "cannot tell", "(MOVE, UIDPLUS)"),
    ],
)
def test_words_for_capabilities(capabilities: set[str], changes: str, removal: str) -> None:
    first, second, *_ = told(capabilities)
    assert changes in first
    assert removal in second


@pytest.mark.parametrize(
    ("capabilities", "oddities"),
    [
        ({"IMAP4REV1", "QRESYNC", "MOVE"}, []),
        ({"IMAP4REV1", "XAPPLEPUSHSERVICE"}, ["iCloud"]),
        ({"IMAP4REV1", "X-GM-EXT-1"}, ["Gmail"]),
        ({"IMAP4REV1", "X-GM-EXT-1", "COMPRESS=DEFLATE"}, ["Gmail", "compression"]),
        ({"IMAP4REV1", "COMPRESS=DEFLATE"}, []),
    ],
)
def test_the_oddities_in_use_are_named(capabilities: set[str], oddities: list[str]) -> None:
    found = told(capabilities)[2:]
    assert len(found) == len(oddities)
    assert all(word in text for word, text in zip(oddities, found, strict=True))
