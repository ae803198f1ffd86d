"""Make mail that is the same everywhere: `python -m bench.corpus mixed|small|big FOLDER COUNT SEED`.

mixed: COUNT messages in five folders, one of them with a non-ASCII name, with sizes as mail has them (median
about 9 kB, 90 of 100 below 63 kB, the largest 5.5 MB) and 40 of 100 attachments seen before. small: COUNT
messages of about 1 kB in the inbox. big: some messages, and one of COUNT bytes among them.

Nothing of the machine goes in: the prose is made of syllables. What comes out is a Maildir++ tree with LF.
"""

import base64
import hashlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path

FOLDERS = {"": 50, ".Sent": 20, ".Archive.2024": 15, ".Archive.2023": 10, ".Travail.&AMk-t&AOk-": 5}
NAMES = ("ann", "bob", "carla", "dmitri", "eve", "fatima", "grace", "hiro", "ivan", "julia", "karl", "lena")
HOSTS = ("example.com", "example.org", "lists.example.net", "mail.example.edu")
_START = 1_600_000_000
_HTML_HEAD = (
    "<html><head><style>"
    + "".join(
        f".c{i}{{font-family:Arial,sans-serif;font-size:{i}px;color:#33{i:02d}44}}\n" for i in range(10, 40)
    )
    + "</style></head><body>\n"
)


class Prose:
    """Lines of words of syllables, the frequent ones frequent, as in a language."""

    def __init__(self, rnd: random.Random, lines: int) -> None:
        syllables = [
            a + b for a in "bdfghklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er", "is", "ou")
        ]
        words = ["".join(rnd.choices(syllables, k=rnd.choice((1, 2, 2, 3, 3, 4)))) for _ in range(12_000)]
        weights = [1 / (rank + 10) for rank in range(len(words))]
        stock = iter(rnd.choices(words, weights, k=lines * 11))
        self._lines = [
            " ".join(next(stock) for _ in range(rnd.randint(6, 11))).capitalize() for _ in range(lines)
        ]
        self._rnd = rnd

    def some(self, count: int) -> list[str]:
        """Take lines that follow one another: two messages may share some, as answers do."""
        start = self._rnd.randrange(len(self._lines) - count)
        return self._lines[start : start + count]


class Mixed:
    """Mail as people have it."""

    def __init__(self, seed: int) -> None:
        self._rnd = rnd = random.Random(seed)
        self._seed = seed
        self._prose = Prose(rnd, 30_000)
        self._recurring = [self._data(11.0, 1.2) for _ in range(200)]

    def message(self, number: int, at: int) -> bytes:
        """Write one message."""
        kind = self._rnd.random()
        text = "\n".join(self._prose.some(self._about(3.0, 0.9, 2)))
        lines = head(self._rnd, self._seed, number, at, " ".join(self._prose.some(1)[0].split()[:7]))
        if kind < 0.45:
            lines += ["Content-Type: text/plain; charset=utf-8", "", text]
        else:
            border = f"=_{self._rnd.getrandbits(64):x}"
            sort, rest = (
                ("alternative", self._html()) if kind < 0.88 else ("mixed", self._attachments(number))
            )
            lines += [f'Content-Type: multipart/{sort}; boundary="{border}"', ""]
            for part in (["Content-Type: text/plain; charset=utf-8", "", text], *rest):
                lines += [f"--{border}", *part]
            lines += [f"--{border}--"]
        return ("\n".join(lines) + "\n").encode()

    def _html(self) -> list[list[str]]:
        rows = [
            f'<tr><td class="c{self._rnd.randrange(10, 40)}">'
            f'<a href="https://click.example.com/{self._rnd.getrandbits(96):x}">{text}</a></td></tr>'
            for text in self._prose.some(self._about(4.2, 0.8, 5))
        ]
        return [
            ["Content-Type: text/html; charset=utf-8", "", _HTML_HEAD + "\n".join(rows), "</body></html>"]
        ]

    def _attachments(self, number: int) -> Iterator[list[str]]:
        for _ in range(self._rnd.choice((1, 1, 1, 2, 3))):
            old = self._rnd.random() < 0.4
            data = self._rnd.choice(self._recurring) if old else self._data(11.3, 1.3)
            yield [
                f'Content-Type: application/octet-stream; name="file{number}.pdf"',
                "Content-Transfer-Encoding: base64",
                f'Content-Disposition: attachment; filename="file{number}.pdf"',
                "",
                base64.encodebytes(data).decode("ascii"),
            ]

    def _data(self, mean: float, spread: float) -> bytes:
        return self._rnd.randbytes(min(4_000_000, self._about(mean, spread, 2000)))

    def _about(self, mean: float, spread: float, least: int) -> int:
        return max(least, int(self._rnd.lognormvariate(mean, spread)))


def head(rnd: random.Random, seed: int, number: int, at: int, subject: str) -> list[str]:
    """Write the fields that every message has."""
    sender, date = f"{rnd.choice(NAMES)}@{rnd.choice(HOSTS)}", formatdate(at)
    unique = hashlib.sha256(f"{seed}-{number}".encode()).hexdigest()[:32]
    return [
        f"Return-Path: <{sender}>",
        f"Received: from mx{rnd.randrange(9)}.example.net (mx.example.net [203.0.113.{rnd.randrange(255)}])",
        f"\tby imap.example.com (Postfix) with ESMTPS id {rnd.getrandbits(44):X}",
        f"\tfor <me@example.com>; {date}",
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=20230601;",
        f"\th=from:to:subject; bh={base64.b64encode(rnd.randbytes(32)).decode()};",
        f"\tb={base64.b64encode(rnd.randbytes(128)).decode()}",
        f"From: {sender}",
        "To: me@example.com",
        f"Date: {date}",
        f"Message-ID: <{unique}@{rnd.choice(HOSTS)}>",
        f"Subject: {'Re: ' if rnd.random() < 0.4 else ''}{subject}",
        "MIME-Version: 1.0",
    ]


def write(folder: Path, number: int, at: int, pieces: Sequence[bytes], flags: str) -> None:
    """Write one message of a Maildir."""
    path = folder / "cur" / f"{at}.M{number}.bench:2,{flags}"
    with path.open("wb") as file:
        file.writelines(pieces)
    os.utime(path, (at, at))


def make_folder(folder: Path) -> None:
    """Make a Maildir."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def make_mixed(out: Path, count: int, seed: int) -> None:
    """See the module."""
    mail, rnd = Mixed(seed), random.Random(seed + 1)
    for name in FOLDERS:
        make_folder(out / name)
    for number, name in enumerate(rnd.choices(list(FOLDERS), list(FOLDERS.values()), k=count)):
        at = _START + number * 3600 + rnd.randrange(3000)
        flags = "".join(f for f, share in (("F", 0.03), ("R", 0.2), ("S", 0.85)) if rnd.random() < share)
        write(out / name, number, at, [mail.message(number, at)], flags)


def make_small(out: Path, count: int, seed: int) -> None:
    """See the module."""
    rnd = random.Random(seed)
    prose = Prose(rnd, 2_000)
    make_folder(out)
    for number in range(count):
        at = _START + number * 600
        lines = head(rnd, seed, number, at, f"note {number}")
        text = "\n".join([*lines, "Content-Type: text/plain", "", *prose.some(rnd.randint(2, 8)), ""])
        write(out, number, at, [text.encode()], "S")


def make_big(out: Path, size: int, seed: int) -> None:
    """See the module."""
    rnd = random.Random(seed)
    mail = Mixed(seed)
    make_folder(out)
    for number in range(400):
        at = _START + number * 3600
        write(out, number, at, [mail.message(number, at)], "S")
    lines = head(rnd, seed, 400, _START, "a film")
    lines += ["Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64", "", ""]
    line = 57  # bytes in a line of base64
    data = [base64.encodebytes(rnd.randbytes(line * 1000)) for _ in range(size // (78 * 1000))]
    write(out, 200_000, _START + 200 * 3600 + 1, ["\n".join(lines).encode(), *data], "S")


MAKERS = {"mixed": make_mixed, "small": make_small, "big": make_big}

if __name__ == "__main__":
    MAKERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
