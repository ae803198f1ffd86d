"""The root: who owns an archive, to whom it is encrypted, who may write; signed by the owner.

Plain text in the form of a manifest (docs/reference/format.md, section Root). Keys stand in their own
programs' forms: signify public keys (`RW…`) and age recipients (`age1…`).
"""

import re
from datetime import datetime
from typing import Literal

from msgspec import Struct

from archiver.formats.lines import Lines, utc

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_LAYOUTS = ("mbox", "maildir")
Power = Literal["read", "write", "check"]


class Writer(Struct, frozen=True):
    """A machine that may write: its name, its signify public key, and the age recipient of its indexes."""

    name: str
    public_key: str
    recipient: str


class Feature(Struct, frozen=True):
    """A feature that whoever does `power` to this archive must know."""

    name: str
    power: Power


class Root(Struct, frozen=True):
    """One state of an archive's ownership; `prev` is the SHA-256 of the file before, zeros for the first."""

    archive: str
    number: int
    prev: str
    time: datetime
    layout: str
    owner: str
    recipients: tuple[str, ...]
    writers: tuple[Writer, ...]
    features: tuple[Feature, ...] = ()


def root_key(number: int) -> str:
    """Name the file of a root."""
    return f"root/{number:04d}.root"


def encode_root(root: Root) -> bytes:
    """Write the text that the owner signs."""
    lines = [
        "archiver-root 1",
        f"archive {root.archive}",
        f"number {root.number}",
        f"prev {root.prev}",
        f"time {utc(root.time)}",
        f"layout {root.layout}",
        f"owner {root.owner}",
    ]
    lines += [f"recipient {recipient}" for recipient in root.recipients]
    lines += [f"writer {writer.name} {writer.public_key} {writer.recipient}" for writer in root.writers]
    lines += [f"feature {feature.name} {feature.power}" for feature in root.features]
    return "\n".join([*lines, "end", ""]).encode("ascii")


def decode_root(text: bytes, what: str = "the root") -> Root:
    """Read the text of a root. Raises `Damaged` for any unknown or odd line."""
    lines = Lines(text, what)
    if lines.one("archiver-root") != "1":
        raise lines.refuse("it is of a version that this archiver does not know")
    root = Root(
        archive=lines.hex(lines.one("archive"), 32),
        number=lines.number(lines.one("number")),
        prev=lines.hex(lines.one("prev"), 64),
        time=lines.time(lines.one("time")),
        layout=lines.one("layout"),
        owner=lines.one("owner"),
        recipients=tuple(lines.many("recipient")),
        writers=tuple(Writer(*lines.words(value, 3)) for value in lines.many("writer")),
        features=tuple(_feature(lines, value) for value in lines.many("feature")),
    )
    lines.done()
    if root.layout not in _LAYOUTS:
        raise lines.refuse(f"unknown layout {root.layout[:60]!r}")
    if not root.recipients:
        raise lines.refuse("it names no recipient")
    if not all(_NAME.match(writer.name) for writer in root.writers):
        raise lines.refuse("a writer's name is not one word of letters, digits, '.', '_' and '-'")
    return root


def _feature(lines: Lines, value: str) -> Feature:
    name, power = lines.words(value, 2)
    powers: dict[str, Power] = {"read": "read", "write": "write", "check": "check"}
    if power not in powers:
        raise lines.refuse(f"unknown power {power!r} of feature {name!r}")
    return Feature(name, powers[power])
