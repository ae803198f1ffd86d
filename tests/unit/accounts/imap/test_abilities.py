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
    first, second = told(capabilities)
    assert changes in first
    assert removal in second
