import base64
import hashlib
import hmac
import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from archiver.errors import Damaged, WrongKey
from archiver.formats import age, bech32
from archiver.formats.age import header
from archiver.formats.age.header import Stanza
from archiver.formats.age.wrap import wrap_to
from archiver.model import Secret

# both from the specification, "The X25519 recipient type"
SECRET = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
PUBLIC = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
ALICE = age.Identity.from_text(SECRET)
BOB = age.Identity.from_bytes(bytes(range(32)))
CHUNK = 64 * 1024
FAST = 4  # a work factor for tests alone


def reading(data: bytes) -> Callable[[int, int], bytes]:
    return lambda start, length: data[start : start + length]


def crafted(*stanzas: Stanza, file_key: bytes = bytes(16)) -> bytes:
    """Write a header with a right MAC around any stanzas, and an empty nonce."""
    return header.write_header(file_key, stanzas) + bytes(16)


# --- keys


def test_the_keys_of_the_specification_are_read_and_written() -> None:
    assert ALICE.secret_bytes == b"\x42" * 32
    assert ALICE.text == SECRET
    assert ALICE.recipient.text == PUBLIC
    assert age.Recipient.from_text(PUBLIC) == ALICE.recipient
    assert age.Identity.from_bytes(b"\x42" * 32) == ALICE


def test_keys_compare_and_hash_by_what_they_are() -> None:
    assert len({ALICE, age.Identity.from_text(SECRET), BOB}) == 2
    assert len({ALICE.recipient, age.Recipient.from_text(PUBLIC), BOB.recipient}) == 2
    assert ALICE != SECRET
    assert ALICE.recipient != PUBLIC
    assert age.Identity.generate() != age.Identity.generate()


def test_an_identity_never_shows_its_secret() -> None:
    shown = f"{ALICE!r} {ALICE} {ALICE.recipient!r}"
    assert "AGE-SECRET" not in shown
    assert PUBLIC in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET[:-1],
        SECRET[:-1] + "Y",
        SECRET.lower(),
        SECRET[:20] + SECRET[20:].lower(),
        f" {SECRET}",
        PUBLIC,
        bech32.encode("age-secret-key-", bytes(31)).upper(),
        bech32.encode("age-secret-key-pq-", bytes(32)).upper(),
        bech32.encode("age-plugin-yubikey-", bytes(32)).upper(),
    ],
)
def test_no_other_text_is_an_identity(text: str) -> None:
    with pytest.raises(age.NotAKey) as caught:
        age.Identity.from_text(text)
    assert isinstance(caught.value, WrongKey)
    assert caught.value.hint
    assert not text or text not in caught.value.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC.upper(),
        PUBLIC[:-1] + "k",
        SECRET,
        bech32.encode("age", bytes(31)),
        bech32.encode("age", bytes(32)),
        bech32.encode("age", b"\x01" + bytes(31)),
        bech32.encode("age1pq", bytes(1216)),
        bech32.encode("age1yubikey", bytes(33)),
    ],
)
def test_no_other_text_is_a_recipient(text: str) -> None:
    with pytest.raises(age.NotAKey) as caught:
        age.Recipient.from_text(text)
    assert caught.value.hint
    assert not text or text not in caught.value.text


def test_a_key_of_another_kind_is_named() -> None:
    with pytest.raises(age.NotAKey, match='of the kind "age1pq"'):
        age.Recipient.from_text(bech32.encode("age1pq", bytes(1216)))


def test_derive_is_hkdf_sha256_of_the_secret() -> None:
    extracted = hmac.digest(bytes(32), ALICE.secret_bytes, "sha256")
    info = b"archiver v1 owner signing"
    assert age.derive(ALICE, info) == hmac.digest(extracted, info + b"\x01", "sha256")
    assert age.derive(ALICE, info) != age.derive(ALICE, b"archiver v1 catalog")
    assert age.derive(ALICE, info) != age.derive(BOB, info)


# --- sealing and opening


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_every_way_in_and_out_gives_the_same_bytes(size: int) -> None:
    plain = os.urandom(size)
    encryptor = age.Encryptor([ALICE.recipient, BOB.recipient])
    pieces = [plain[start : start + 1000] for start in range(0, size, 1000)]
    sealed = b"".join(out for piece in pieces for out in encryptor.update(piece))
    sealed += b"".join(encryptor.finish())
    for whole in (sealed, age.encrypt(plain, [BOB.recipient, ALICE.recipient])):
        for identity in (ALICE, BOB):
            assert age.decrypt(whole, [identity]) == plain
        reader = age.RandomReader(reading(whole), len(whole), [BOB])
        assert reader.size == size
        assert reader.read(0, size + 100) == plain


def test_the_payload_is_as_long_as_the_specification_says() -> None:
    empty = len(age.encrypt(b"", [ALICE.recipient]))
    assert len(age.encrypt(bytes(CHUNK), [ALICE.recipient])) == empty + CHUNK
    assert len(age.encrypt(bytes(CHUNK + 1), [ALICE.recipient])) == empty + CHUNK + 1 + 16


def test_sealing_twice_shares_no_secret() -> None:
    first, second = (age.encrypt(b"same", [ALICE.recipient]) for _ in range(2))
    start = len(b"age-encryption.org/v1\n-> X25519 ")
    for lo, hi in ((start, start + 43), (start + 44, start + 87), (-36, -20), (-20, None)):
        assert first[lo:hi] != second[lo:hi]


def test_sealing_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        age.Encryptor([])


def test_a_finished_encryptor_takes_nothing_more() -> None:
    encryptor = age.Encryptor([ALICE.recipient])
    encryptor.finish()
    with pytest.raises(ValueError, match="finished"):
        encryptor.update(b"more")
    with pytest.raises(ValueError, match="finished"):
        encryptor.finish()


def test_bytes_of_every_kind_are_sealed_alike() -> None:
    plain = os.urandom(CHUNK + 10)
    for piece in (plain, bytearray(plain), memoryview(plain)):
        assert age.decrypt(age.encrypt(piece, [ALICE.recipient]), [ALICE]) == plain


def test_a_held_piece_may_be_changed_by_its_owner_afterwards() -> None:
    encryptor = age.Encryptor([ALICE.recipient])
    buffer = bytearray(b"first")
    sealed = encryptor.update(buffer)
    buffer[:] = b"other"
    assert age.decrypt(b"".join(sealed + encryptor.finish()), [ALICE]) == b"first"


def test_another_identity_opens_nothing() -> None:
    sealed = age.encrypt(b"secret", [ALICE.recipient])
    for identities in ([BOB], []):
        with pytest.raises(age.NoMatch) as caught:
            age.decrypt(sealed, identities)
        assert isinstance(caught.value, WrongKey)
        with pytest.raises(age.NoMatch):
            age.RandomReader(reading(sealed), len(sealed), identities)


def test_a_changed_header_is_noticed_though_the_key_opens_it() -> None:
    sealed = age.encrypt(b"secret", [ALICE.recipient])
    changed = sealed.replace(b"\n---", b"\n-> grease\n\n---", 1)
    with pytest.raises(age.BadMac) as caught:
        age.decrypt(changed, [ALICE])
    assert isinstance(caught.value, Damaged)
    with pytest.raises(age.BadMac):
        age.RandomReader(reading(changed), len(changed), [ALICE])


# --- a payload cut, extended, put in another order


def sealed_chunks(count: int, last: int = 100) -> tuple[bytes, list[bytes]]:
    """Seal `count` chunks, the last one of `last` bytes: all before the payload, and each sealed chunk."""
    sealed = age.encrypt(os.urandom(CHUNK * (count - 1) + last), [ALICE.recipient])
    start = len(sealed) - (count * 16 + CHUNK * (count - 1) + last)
    size = CHUNK + 16
    return sealed[:start], [sealed[at : at + size] for at in range(start, len(sealed), size)]


@pytest.mark.parametrize("last", [100, CHUNK])
def test_a_file_cut_at_a_chunk_is_refused(last: int) -> None:
    head, chunks = sealed_chunks(3, last)
    for kept in (chunks[:2], chunks[:1], []):
        cut = head + b"".join(kept)
        released = []
        with pytest.raises(age.BadPayload):
            released += list(age.decrypt_stream([cut], [ALICE]))
        with pytest.raises(age.BadPayload):
            age.decrypt(cut, [ALICE])
        with pytest.raises(age.BadPayload):
            age.RandomReader(reading(cut), len(cut), [ALICE])


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 2), (0, 2), (0, 1, 2, 2), (0, 1, 1)])
def test_chunks_in_another_order_are_refused(order: tuple[int, ...]) -> None:
    head, chunks = sealed_chunks(3, CHUNK)
    changed = head + b"".join(chunks[number] for number in order)
    with pytest.raises(age.BadPayload):
        age.decrypt(changed, [ALICE])
    with pytest.raises(age.BadPayload):
        reader = age.RandomReader(reading(changed), len(changed), [ALICE])
        reader.read(0, reader.size)


def test_a_stream_gives_what_is_authentic_and_then_raises() -> None:
    head, chunks = sealed_chunks(3)
    changed = head + chunks[0] + chunks[1][:-1] + bytes([chunks[1][-1] ^ 1]) + chunks[2]
    stream = age.decrypt_stream([changed], [ALICE])
    assert len(next(stream)) == CHUNK
    with pytest.raises(age.BadPayload, match="chunk 1"):
        next(stream)


def test_a_random_reader_sees_damage_only_where_it_reads() -> None:
    head, chunks = sealed_chunks(3)
    changed = head + chunks[0] + chunks[1][:-1] + bytes([chunks[1][-1] ^ 1]) + chunks[2]
    reader = age.RandomReader(reading(changed), len(changed), [ALICE])
    assert len(reader.read(0, CHUNK)) == CHUNK
    assert len(reader.read(2 * CHUNK, 100)) == 100
    with pytest.raises(age.BadPayload, match="chunk 1"):
        reader.read(CHUNK - 1, 2)


# --- random access


def test_a_random_reader_fetches_little() -> None:
    sealed = age.encrypt(bytes(40 * CHUNK), [ALICE.recipient])
    fetched: list[int] = []

    def read(start: int, length: int) -> bytes:
        fetched.append(length)
        return sealed[start : start + length]

    reader = age.RandomReader(read, len(sealed), [ALICE])
    assert fetched == [4096, CHUNK + 16]
    reader.read(10 * CHUNK + 5, 10)
    assert fetched[2:] == [CHUNK + 16]
    reader.read(10 * CHUNK - 1, 2)
    assert fetched[3:] == [2 * (CHUNK + 16)]


def test_a_long_range_is_fetched_in_bounded_parts() -> None:
    plain = os.urandom(300 * CHUNK + 7)
    sealed = age.encrypt(plain, [ALICE.recipient])
    fetched: list[int] = []

    def read(start: int, length: int) -> bytes:
        fetched.append(length)
        return sealed[start : start + length]

    reader = age.RandomReader(read, len(sealed), [ALICE])
    assert reader.read(3, len(plain) - 5) == plain[3:-2]
    assert max(fetched) == 128 * (CHUNK + 16)


def test_a_random_reader_refuses_a_wrong_size() -> None:
    sealed = age.encrypt(os.urandom(3 * CHUNK), [ALICE.recipient])
    for size in (len(sealed) - 1, len(sealed) - CHUNK - 16, len(sealed) + 1):
        with pytest.raises(age.BadPayload):
            age.RandomReader(reading(sealed), size, [ALICE])


def test_an_object_that_shrank_after_it_was_opened_is_refused() -> None:
    sealed = age.encrypt(os.urandom(3 * CHUNK), [ALICE.recipient])
    now = [sealed]
    reader = age.RandomReader(lambda start, length: now[0][start : start + length], len(sealed), [ALICE])
    now[0] = sealed[: -CHUNK - 16]
    assert len(reader.read(0, 2 * CHUNK)) == 2 * CHUNK
    with pytest.raises(age.BadPayload, match="shorter"):
        reader.read(0, 3 * CHUNK)


def test_a_range_outside_is_empty_and_a_negative_one_an_error() -> None:
    sealed = age.encrypt(b"0123456789", [ALICE.recipient])
    reader = age.RandomReader(reading(sealed), len(sealed), [ALICE])
    assert reader.read(10, 5) == b""
    assert reader.read(3, 0) == b""
    assert reader.read(8, 5) == b"89"
    for start, length in ((-1, 2), (0, -1)):
        with pytest.raises(ValueError, match="range"):
            reader.read(start, length)


def test_a_header_longer_than_the_first_read_is_fetched_whole() -> None:
    file_key = bytes(16)
    grease = Stanza("grease", (), bytes(5000))
    head = header.write_header(file_key, [grease, wrap_to(file_key, ALICE.recipient)])
    whole = head + age.encrypt(b"", [ALICE.recipient])[-32:]  # another file's payload
    with pytest.raises(age.BadPayload):
        age.RandomReader(reading(whole), len(whole), [ALICE])


# --- the header and its limits


def test_a_header_has_at_most_20_stanzas() -> None:
    file_key = bytes(16)
    grease = [Stanza("grease", ("x",), b"")] * 19
    good = crafted(*grease, wrap_to(file_key, ALICE.recipient))
    with pytest.raises(age.BadPayload):  # the header is right: only the payload is missing
        age.decrypt(good, [ALICE])
    with pytest.raises(age.BadHeader, match="20 stanzas"):
        age.decrypt(crafted(grease[0], *grease, wrap_to(file_key, ALICE.recipient)), [ALICE])


@pytest.mark.parametrize("piece", [1, 1000, 1 << 20])
def test_a_header_is_at_most_64_kib(piece: int) -> None:
    endless = b"age-encryption.org/v1\n-> grease\n" + b"A" * (1 << 17)
    taken = 0

    def feed() -> bytes:
        nonlocal taken
        taken += piece
        return endless[taken - piece : taken]

    with pytest.raises(age.BadHeader, match="64 KiB"):
        list(age.decrypt_stream(iter(feed, b""), [ALICE]))
    assert taken <= header.HEADER_LIMIT + 16 + piece


def test_a_header_that_just_fits_is_read_and_one_byte_more_is_not() -> None:
    file_key = bytes(16)
    wrapped = wrap_to(file_key, ALICE.recipient)
    room = header.HEADER_LIMIT - len(header.write_header(file_key, [wrapped]))
    for extra, error, why in ((0, age.BadPayload, "cut"), (1, age.BadHeader, "64 KiB")):
        grease = Stanza("x" * (room + extra - len("-> \n\n")), (), b"")
        whole = crafted(grease, wrapped)
        assert len(whole) == header.HEADER_LIMIT + extra + 16
        with pytest.raises(error, match=why):
            age.decrypt(whole, [ALICE])
        with pytest.raises(error, match=why):
            age.RandomReader(reading(whole), len(whole), [ALICE])


def test_a_body_line_longer_than_64_characters_is_refused_as_the_last_one_too() -> None:
    whole = crafted(Stanza("grease", (), bytes(50)), wrap_to(bytes(16), ALICE.recipient))
    with pytest.raises(age.BadHeader, match="longer than 64"):
        age.decrypt(whole.replace(b"A" * 64 + b"\n", b"A" * 64), [ALICE])


@pytest.mark.parametrize(
    "data", [b"", b"age-encryption.org/v1", b"From nobody\n", b"\n---\n", b"PK\x03\x04" * 99]
)
def test_what_is_no_age_file_is_refused(data: bytes) -> None:
    with pytest.raises(age.BadHeader) as caught:
        age.decrypt(data, [ALICE])
    assert caught.value.hint


def test_any_malformed_x25519_stanza_refuses_the_file_even_behind_a_good_one() -> None:
    file_key = bytes(16)
    good = wrap_to(file_key, ALICE.recipient)
    short = Stanza("X25519", good.arguments, good.body[:-1])
    with pytest.raises(age.BadHeader, match="wrong length"):
        age.decrypt(crafted(good, short), [ALICE])


# --- passphrases


def test_a_passphrase_opens_what_it_locked() -> None:
    sealed = age.encrypt_with_passphrase(b"key", Secret("grüße"), log_n=FAST)
    assert age.decrypt_with_passphrase(sealed, Secret("grüße")) == b"key"
    with pytest.raises(age.NoMatch, match="passphrase does not open"):
        age.decrypt_with_passphrase(sealed, Secret("grusse"))


def test_the_wrap_key_is_scrypt_as_the_standard_library_computes_it() -> None:
    sealed = age.encrypt_with_passphrase(b"", Secret("pass"), log_n=FAST)
    stanza = header.read_header(sealed).stanzas[0]
    salt = base64.b64decode(stanza.arguments[0] + "==")
    key = hashlib.scrypt(
        b"pass", salt=b"age-encryption.org/v1/scrypt" + salt, n=1 << FAST, r=8, p=1, dklen=32
    )
    assert stanza.arguments[1] == str(FAST)
    assert len(salt) == 16
    assert len(ChaCha20Poly1305(key).decrypt(bytes(12), stanza.body, None)) == 16


def test_each_door_refuses_what_belongs_to_the_other_and_says_so() -> None:
    locked = age.encrypt_with_passphrase(b"key", Secret("pass"), log_n=FAST)
    sealed = age.encrypt(b"key", [ALICE.recipient])
    with pytest.raises(age.NoMatch, match="locked with a passphrase"):
        age.decrypt(locked, [ALICE])
    with pytest.raises(age.NoMatch, match="locked with a passphrase"):
        age.RandomReader(reading(locked), len(locked), [ALICE])
    with pytest.raises(age.NoMatch, match="not locked with a passphrase"):
        age.decrypt_with_passphrase(sealed, Secret("pass"))


def test_a_passphrase_beside_a_recipient_is_refused_at_both_doors() -> None:
    locked = header.read_header(age.encrypt_with_passphrase(b"", Secret("pass"), log_n=FAST)).stanzas[0]
    for stanzas in ([locked, locked], [locked, wrap_to(bytes(16), ALICE.recipient)]):
        for order in (stanzas, stanzas[::-1]):
            with pytest.raises(age.BadHeader, match="not alone"):
                age.decrypt(crafted(*order), [ALICE])
            with pytest.raises(age.BadHeader, match="not alone"):
                age.decrypt_with_passphrase(crafted(*order), Secret("pass"))


def test_a_changed_header_is_noticed_though_the_passphrase_opens_it() -> None:
    locked = header.read_header(age.encrypt_with_passphrase(b"", Secret("pass"), log_n=FAST)).stanzas[0]
    with pytest.raises(age.BadMac):
        age.decrypt_with_passphrase(crafted(locked, file_key=b"another file key"), Secret("pass"))


def test_work_over_the_limit_is_refused_before_it_is_done() -> None:
    sealed = age.encrypt_with_passphrase(b"key", Secret("pass"), log_n=5)
    assert age.decrypt_with_passphrase(sealed, Secret("pass"), max_log_n=5) == b"key"
    with pytest.raises(age.BadHeader, match="limit of 4"):
        age.decrypt_with_passphrase(sealed, Secret("pass"), max_log_n=4)
    huge = Stanza("scrypt", (header.encode_base64(bytes(16)), "21"), bytes(32))
    with pytest.raises(age.BadHeader, match="limit of 20"):
        age.decrypt_with_passphrase(crafted(huge), Secret("pass"))


# --- armor


@pytest.mark.parametrize("size", [0, 1, 2, 47, 48, 49, 96, 1000])
def test_armor_is_read_and_written_back(size: int) -> None:
    data = os.urandom(size)
    text = age.encode_armor(data)
    assert age.decode_armor(text) == data
    assert age.decode_armor(b"\n \n" + text.replace(b"\n", b"\r\n") + b"\t\n") == data


def test_bad_armor_says_what_to_do() -> None:
    with pytest.raises(age.BadArmor) as caught:
        age.decode_armor(b"hello")
    assert caught.value.hint
