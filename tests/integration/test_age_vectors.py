"""The public age test vectors (C2SP/CCTV, 143 files): each must end as its author says, byte for byte."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from archiver.errors import ArchiverError
from archiver.formats import age
from archiver.model import Secret

FOLDER = Path(__file__).parents[2].parent / "shared" / "testdata" / "age"
FAILURES: dict[str, type[ArchiverError]] = {
    "armor failure": age.BadArmor,
    "header failure": age.BadHeader,
    "HMAC failure": age.BadMac,
    "no match": age.NoMatch,
    "payload failure": age.BadPayload,
}
STRANGER = age.Identity.from_bytes(bytes(range(32)))

# Hybrid post-quantum identities are refused as unsupported before any file is opened. The files themselves,
# given to someone with an X25519 identity, end so: their stanzas are passed over, unless they break the
# grammar of the header.
HYBRID: dict[str, type[ArchiverError]] = {
    "armor_hybrid": age.NoMatch,
    "hybrid": age.NoMatch,
    "hybrid_and_x25519": age.NoMatch,
    "hybrid_bad_tag": age.NoMatch,
    "hybrid_currupted_enc_mlkem": age.NoMatch,
    "hybrid_currupted_enc_x25519": age.NoMatch,
    "hybrid_extra_argument": age.NoMatch,
    "hybrid_grease": age.NoMatch,
    "hybrid_identity": age.NoMatch,
    "hybrid_long_file_key": age.NoMatch,
    "hybrid_long_share": age.NoMatch,
    "hybrid_low_order": age.NoMatch,
    "hybrid_multiple_recipients": age.NoMatch,
    "hybrid_no_match": age.NoMatch,
    "hybrid_not_canonical_body": age.BadHeader,
    "hybrid_not_canonical_enc": age.NoMatch,
    "hybrid_short_share": age.NoMatch,
    "hybrid_uppercase": age.NoMatch,
    "hybrid_x25519_arg": age.BadHeader,
}


@dataclass(frozen=True)
class Vector:
    name: str
    expect: str
    payload: str | None  # SHA-256 of all plaintext that may be released
    identities: tuple[str, ...]
    passphrases: tuple[str, ...]
    armored: bool
    data: bytes


def read_vector(path: Path) -> Vector:
    lines, _, data = path.read_bytes().partition(b"\n\n")
    fields: dict[str, list[str]] = {}
    for line in lines.decode().splitlines():
        key, _, value = line.partition(": ")
        fields.setdefault(key, []).append(value)
    known = {"expect", "payload", "file key", "identity", "passphrase", "armored", "compressed", "comment"}
    assert set(fields) <= known
    if compressed := fields.get("compressed"):
        assert compressed == ["zlib"]
        data = zlib.decompress(data)
    return Vector(
        name=path.name,
        expect=fields["expect"][0],
        payload=fields.get("payload", [None])[0],
        identities=tuple(fields.get("identity", ())),
        passphrases=tuple(fields.get("passphrase", ())),
        armored=fields.get("armored") == ["yes"],
        data=data,
    )


VECTORS = [read_vector(path) for path in sorted(FOLDER.iterdir())] if FOLDER.is_dir() else []
if not VECTORS:
    pytest.skip(f"no age test vectors at {FOLDER}: none was run", allow_module_level=True)

X25519 = [vector for vector in VECTORS if vector.name not in HYBRID and not vector.passphrases]
SCRYPT = [vector for vector in VECTORS if vector.passphrases]
by_name: Callable[[Vector], str] = lambda vector: vector.name  # noqa: E731  # pytest wants a callable for ids


def collect(pieces: Iterable[bytes]) -> tuple[bytes, ArchiverError | None]:
    """Give what a stream released, and the error it ended with."""
    released = b""
    iterator = iter(pieces)
    while True:
        try:
            released += next(iterator)
        except StopIteration:
            return released, None
        except ArchiverError as error:
            return released, error


def open_vector(vector: Vector, size: int) -> Iterator[bytes]:
    data = age.decode_armor(vector.data) if vector.armored else vector.data
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    yield from age.decrypt_stream(pieces, identities_of(vector))


def identities_of(vector: Vector) -> list[age.Identity]:
    return [age.Identity.from_text(text) for text in vector.identities] or [STRANGER]


def check(vector: Vector, released: bytes, error: ArchiverError | None) -> None:
    """Compare an outcome with the vector's: its exact class, and the hash of what was released."""
    assert type(error) is (type(None) if vector.expect == "success" else FAILURES[vector.expect])
    if vector.payload is None:
        assert released == b""
    else:
        assert hashlib.sha256(released).hexdigest() == vector.payload


def test_every_vector_is_run() -> None:
    assert len(VECTORS) == 143
    assert (len(X25519), len(SCRYPT), len(HYBRID)) == (98, 26, 19)
    assert {vector.name for vector in VECTORS if any("-PQ-" in text for text in vector.identities)} == set(
        HYBRID
    )


@pytest.mark.parametrize("size", [1, 1000, 1 << 30])
@pytest.mark.parametrize("vector", X25519, ids=by_name)
def test_a_stream_ends_as_the_vector_says(vector: Vector, size: int) -> None:
    if size == 1 and len(vector.data) > 200_000:
        size = 16 * 1024 + 1  # 16 MiB byte by byte would only take long
    check(vector, *collect(open_vector(vector, size)))


@pytest.mark.parametrize("vector", X25519, ids=by_name)
def test_a_whole_file_is_opened_or_nothing_of_it(vector: Vector) -> None:
    try:
        data = age.decode_armor(vector.data) if vector.armored else vector.data
        plain = age.decrypt(data, identities_of(vector))
    except ArchiverError as error:
        assert type(error) is FAILURES[vector.expect]
    else:
        check(vector, plain, None)


@pytest.mark.parametrize("vector", X25519, ids=by_name)
def test_a_random_reader_ends_as_the_vector_says(vector: Vector) -> None:
    try:
        data = age.decode_armor(vector.data) if vector.armored else vector.data
        reader = age.RandomReader(
            lambda start, length: data[start : start + length], len(data), identities_of(vector)
        )
        plain = reader.read(0, reader.size)
    except ArchiverError as error:
        assert type(error) is FAILURES[vector.expect]
    else:
        check(vector, plain, None)
        assert reader.size == len(plain)


@pytest.mark.parametrize("vector", SCRYPT, ids=by_name)
def test_a_passphrase_file_ends_as_the_vector_says(vector: Vector) -> None:
    data = age.decode_armor(vector.data) if vector.armored else vector.data
    for passphrase in vector.passphrases:
        try:
            plain = age.decrypt_with_passphrase(data, Secret(passphrase))
        except ArchiverError as error:
            assert type(error) is FAILURES[vector.expect]
        else:
            check(vector, plain, None)


@pytest.mark.parametrize("vector", SCRYPT, ids=by_name)
def test_an_identity_never_opens_a_passphrase_file(vector: Vector) -> None:
    data = age.decode_armor(vector.data) if vector.armored else vector.data
    with pytest.raises((age.NoMatch, age.BadHeader)):
        age.decrypt(data, identities_of(vector))
    with pytest.raises((age.NoMatch, age.BadHeader)):
        age.RandomReader(lambda start, length: data[start : start + length], len(data), identities_of(vector))


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.name in HYBRID], ids=by_name)
def test_a_hybrid_identity_is_refused_and_its_file_never_opened(vector: Vector) -> None:
    x25519 = []
    for text in vector.identities:
        if "-PQ-" in text:
            with pytest.raises(age.NotAKey, match='of the kind "AGE-SECRET-KEY-PQ-"'):
                age.Identity.from_text(text)
        else:
            x25519.append(age.Identity.from_text(text))
    data = age.decode_armor(vector.data) if vector.armored else vector.data
    with pytest.raises(ArchiverError) as caught:
        age.decrypt(data, x25519 or [STRANGER])
    assert type(caught.value) is HYBRID[vector.name]
