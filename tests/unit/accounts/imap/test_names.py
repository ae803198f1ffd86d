"""Folder names and modified UTF-7."""

import pytest

from archiver.accounts.imap import names, utf7


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        # RFC 3501 section 5.1.3
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("A & B", b"A &- B"),
        ("Été", b"&AMk-t&AOk-"),
        ("😀", b"&2D3eAA-"),
        ("", b""),
        ("tab\there", b"tab&AAk-here"),
        ("&-", b"&--"),
    ],
)
def test_modified_utf_7_is_that_of_the_rfc(text: str, raw: bytes) -> None:
    assert utf7.encode(text) == raw
    assert utf7.decode(raw) == text


@pytest.mark.parametrize(
    "raw",
    [b"&", b"a&b", b"&A-", b"&AMk", b"&AGE-", b"\xc3\xa9", b"&2D0-", b"&AMk-&AOk-", b"&AM k-", b"&AMl-x\x07"],
)
def test_what_is_no_modified_utf_7_is_told(raw: bytes) -> None:
    with pytest.raises(utf7.BadName):
        utf7.decode(raw)


def test_half_a_surrogate_pair_is_no_name() -> None:
    with pytest.raises(utf7.BadName):
        utf7.encode("\ud83d")


@pytest.mark.parametrize(
    ("raw", "separator", "name"),
    [
        (b"INBOX", "/", "INBOX"),
        (b"inbox", ".", "INBOX"),
        (b"InBox", None, "INBOX"),
        (b"INBOX.Sent", ".", "INBOX/Sent"),
        (b"a/b", ".", "a%2Fb"),
        (b"a/b.c", ".", "a%2Fb/c"),
        (b"a%2Fb", ".", "a%252Fb"),
        (b"a%25", "/", "a%2525"),
        (b"100%", "/", "100%"),
        (b"50%20", "/", "50%20"),
        (b"a%/b", ".", "a%%2Fb"),
        (b"a..b", ".", "a//b"),
        (b"a\\b", "\\", "a/b"),
        (b"a/b", None, "a%2Fb"),
    ],
)
def test_names_are_joined_by_a_slash_and_go_back_without_loss(
    raw: bytes, separator: str | None, name: str
) -> None:
    assert names.text(raw, separator) == name
    if name != "INBOX":
        assert names.mailbox(name, separator) == raw


@pytest.mark.parametrize(
    ("raw", "name"), [(b"raw \xc3\xa9", "raw é"), (b"bad &zz", "bad &zz"), (b"latin \xe9", "latin \\xe9")]
)
def test_a_badly_encoded_name_is_shown_as_well_as_can_be(raw: bytes, name: str) -> None:
    assert names.text(raw, "/") == name


def test_with_utf8_an_ampersand_is_one() -> None:
    assert names.text("é & &AOk-".encode(), "/", utf8=True) == "é & &AOk-"
    assert names.mailbox("é & &AOk-", "/", utf8=True) == "é & &AOk-".encode()
