"""Text on terminals: columns, and what may not reach them."""

import pytest

from archiver.cli.output import cut, number, print_table, shown, size, width


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("Grüße", 5), ("日本", 4), ("e\u0301", 1), ("👍", 2)]
)
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize("text", ["short", "a" * 50, "日本" * 20, "ü" * 31])
def test_a_cut_text_fits_and_says_that_it_is_cut(text: str) -> None:
    found = cut(text, 30)
    assert width(found) <= 30
    assert (found == text) == (width(text) <= 30)
    assert found == text or found.endswith("…")


@pytest.mark.parametrize("evil", ["\x1b[2J", "a\rb", "a\nb", "\x07", "\x9b31m", "abc\u202etxt", "\u2066x"])
def test_no_text_of_a_stranger_steers_the_terminal(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(evil).isprintable()
    print_table([(evil, "x")], ("A", "B"))
    printed = capsys.readouterr().out
    assert printed.count("\n") == 2
    assert printed.replace("\n", "").isprintable()


def test_columns_stand_under_each_other_in_any_alphabet(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([("日本", "1"), ("Grüße", "22")], ("NAME", "N"), right=(1,))
    lines = capsys.readouterr().out.splitlines()
    assert len({width(line) for line in lines}) == 1


def test_numbers_are_for_people() -> None:
    assert [number(count, "message") for count in (0, 1, 2000)] == [
        "0 messages",
        "1 message",
        "2,000 messages",
    ]
    assert [size(count) for count in (0, 999, 1000, 10**13)] == ["0 B", "999 B", "1.0 kB", "10.0 TB"]
