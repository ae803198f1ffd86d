"""The manifest: the commit record of one run, as signed text (docs/reference/format.md, Manifest)."""

from typing import cast, get_args

from archiver.formats.lines import Lines, utc
from archiver.model import Drop, Manifest, RunKind, Sealed

_ROLES = ("index", "volume")
_REASONS = ("superseded", "erased")


def manifest_key(chain: str, seq: int) -> str:
    """Name the manifest of a run."""
    return f"chains/{chain}/manifests/{seq:08d}.manifest"


def seq_of(key: str) -> int | None:
    """Read the number back from a manifest's key; None for any other name."""
    name = key.rpartition("/")[2]
    digits = name.removesuffix(".manifest")
    return int(digits) if name != digits and len(digits) >= 8 and digits.isdecimal() else None


def encode_manifest(manifest: Manifest) -> bytes:
    """Write the text that is signed: ASCII, LF, closed by `end`."""
    lines = [
        "archiver-manifest 1",
        f"archive {manifest.archive}",
        f"chain {manifest.chain}",
        f"seq {manifest.seq}",
        f"prev {manifest.prev}",
        f"root {manifest.root} {manifest.root_sha256}",
        f"time {utc(manifest.time)}",
        f"kind {manifest.kind}",
    ]
    lines += [
        f"object {sealed.role} {sealed.size} {sealed.sha256} {sealed.key}" for sealed in manifest.objects
    ]
    lines += [f"drop {drop.sha256} {drop.key} {drop.reason}" for drop in manifest.drops]
    return "\n".join([*lines, "end", ""]).encode("ascii")


def decode_manifest(text: bytes, what: str = "the manifest") -> Manifest:
    """Read the text of a manifest whose signature holds. Raises `Damaged` for any unknown or odd line."""
    lines = Lines(text, what)
    if lines.one("archiver-manifest") != "1":
        raise lines.refuse("it is of a version that this archiver does not know")
    archive = lines.hex(lines.one("archive"), 32)
    chain = lines.chain(lines.one("chain"))
    seq = lines.number(lines.one("seq"))
    prev = lines.hex(lines.one("prev"), 64)
    root, root_sha256 = lines.words(lines.one("root"), 2)
    time = lines.time(lines.one("time"))
    kind = lines.one("kind")
    if kind not in get_args(RunKind):
        raise lines.refuse(f"unknown kind of run {kind!r}")
    objects = tuple(_sealed(lines, value) for value in lines.many("object"))
    drops = tuple(_drop(lines, value) for value in lines.many("drop"))
    lines.done()
    return Manifest(
        archive=archive,
        chain=chain,
        seq=seq,
        prev=prev,
        root=lines.number(root),
        root_sha256=lines.hex(root_sha256, 64),
        time=time,
        kind=cast("RunKind", kind),
        objects=objects,
        drops=drops,
    )


def _sealed(lines: Lines, value: str) -> Sealed:
    role, size, sha256, key = lines.words(value, 4)
    if role not in _ROLES:
        raise lines.refuse(f"unknown kind of object {role!r}")
    return Sealed(
        role="index" if role == "index" else "volume",
        size=lines.number(size),
        sha256=lines.hex(sha256, 64),
        key=lines.key(key),
    )


def _drop(lines: Lines, value: str) -> Drop:
    sha256, key, reason = lines.words(value, 3)
    if reason not in _REASONS:
        raise lines.refuse(f"unknown reason to drop {reason!r}")
    return Drop(
        sha256=lines.hex(sha256, 64),
        key=lines.key(key),
        reason="erased" if reason == "erased" else "superseded",
    )
