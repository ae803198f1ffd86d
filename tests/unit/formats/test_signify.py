import base64
import hashlib

import pytest

from archiver.errors import Damaged
from archiver.formats.signify import PublicKey, SigningKey, open_embedded, sign_embedded, split_embedded

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER = SigningKey.from_seed(bytes(range(1, 33)))
MESSAGE = b"archiver-manifest 1\nend\n"
SIGNED = sign_embedded(KEY, MESSAGE, "archiver manifest k7q2m9xa 42")
COMMENT, LINE = SIGNED.split(b"\n")[:2]


def signed(comment: bytes = COMMENT, line: bytes = LINE, message: bytes = MESSAGE) -> bytes:
    return b"\n".join([comment, line, message])


def refused(data: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why) as caught:
        open_embedded(data, [KEY.public, OTHER.public])
    assert caught.value.hint


def test_the_signature_is_that_of_rfc_8032() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")  # 7.1, TEST 2
    key = SigningKey.from_seed(seed)
    assert key.public.key.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert (
        key.sign(b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
    )


def test_a_public_key_is_numbered_by_its_hash() -> None:
    data = base64.b64decode(KEY.public.text)
    assert data == b"Ed" + hashlib.sha256(KEY.public.key).digest()[:8] + KEY.public.key
    assert KEY.public.text.startswith("RW")
    assert PublicKey.from_text(KEY.public.text) == KEY.public
    assert KEY.public.file("a writer") == b"untrusted comment: a writer\n" + KEY.public.text.encode() + b"\n"


def test_a_signing_key_never_shows_its_seed() -> None:
    assert repr(KEY) == f"SigningKey(of {KEY.public.text})"


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_has_32_bytes(seed: bytes) -> None:
    with pytest.raises(ValueError, match="32"):
        SigningKey.from_seed(seed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY.public.text[:-1],
        KEY.public.text + "=",
        KEY.public.text + "\n",
        " " + KEY.public.text,
        "é" + KEY.public.text[1:],
        base64.b64encode(b"ed" + bytes(40)).decode(),
        base64.b64encode(b"Ed" + bytes(41)).decode(),
        LINE.decode(),
    ],
)
def test_no_other_text_is_a_public_key(text: str) -> None:
    with pytest.raises(Damaged):
        PublicKey.from_text(text)


@pytest.mark.parametrize("message", [b"", b"\n", b"no line end", MESSAGE, bytes(range(256)) * 100, SIGNED])
def test_what_was_signed_is_given_back_with_its_signer(message: bytes) -> None:
    data = sign_embedded(KEY, message, "a comment")
    assert open_embedded(data, [OTHER.public, KEY.public]) == (message, KEY.public)
    assert split_embedded(data).message == message
    assert split_embedded(data).comment == "a comment"
    assert split_embedded(data).number == KEY.public.number


def test_signing_is_repeatable_and_the_form_is_signifys() -> None:
    assert sign_embedded(KEY, MESSAGE, "archiver manifest k7q2m9xa 42") == SIGNED
    assert COMMENT == b"untrusted comment: archiver manifest k7q2m9xa 42"
    assert len(LINE) == 100
    assert SIGNED.endswith(b"=\n" + MESSAGE)


def test_an_unknown_signer_is_refused_and_numbered() -> None:
    with pytest.raises(Damaged, match=KEY.public.number.hex()):
        open_embedded(SIGNED, [OTHER.public])
    with pytest.raises(Damaged, match="unknown key"):
        open_embedded(SIGNED, [])


def test_another_key_under_the_same_number_proves_nothing() -> None:
    impostor = PublicKey(KEY.public.number, OTHER.public.key)
    with pytest.raises(Damaged, match="does not fit"):
        open_embedded(SIGNED, [impostor])
    assert open_embedded(SIGNED, [impostor, KEY.public]) == (MESSAGE, KEY.public)


def test_a_changed_message_is_refused() -> None:
    refused(signed(message=MESSAGE + b"\n"), "does not fit")
    refused(signed(message=MESSAGE[:-1]), "does not fit")
    refused(signed(message=b""), "does not fit")


def test_every_flipped_bit_behind_the_comment_is_refused() -> None:
    for place in range(len(COMMENT) + 1, len(SIGNED)):
        for bit in range(8):
            changed = bytearray(SIGNED)
            changed[place] ^= 1 << bit
            with pytest.raises(Damaged):
                open_embedded(bytes(changed), [KEY.public, OTHER.public])


def test_every_truncation_is_refused() -> None:
    for length in range(len(SIGNED)):
        with pytest.raises(Damaged):
            open_embedded(SIGNED[:length], [KEY.public])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        LINE[:-2],
        LINE[:-1],
        LINE + b"=",
        LINE + b"\r",
        b" " + LINE,
        LINE[:50] + b" " + LINE[50:],
        LINE[:-2] + bytes([LINE[-2] + 1]) + b"=",  # the same bytes, another spelling
        base64.b64encode(base64.b64decode(LINE) + b"x"),
        KEY.public.text.encode(),
    ],
)
def test_a_signature_has_one_spelling(line: bytes) -> None:
    refused(signed(line=line), "signature is not Base64")


def test_another_algorithm_is_refused() -> None:
    refused(signed(line=base64.b64encode(b"Xy" + base64.b64decode(LINE)[2:])), "another algorithm")


@pytest.mark.parametrize(
    "comment",
    [
        b"",
        b"untrusted comment: ",
        b"untrusted comment:x",
        b"Untrusted comment: x",
        b"trusted comment: x",
        b"untrusted comment: " + b"x" * 1024,
        b"untrusted comment: \x1b[2J",
        b"untrusted comment: x\r",
        b"untrusted comment: \xff",
    ],
)
def test_a_bad_comment_line_is_refused(comment: bytes) -> None:
    refused(signed(comment=comment), "comment")


@pytest.mark.parametrize("comment", ["", "two\nlines", "x" * 1024, "é" * 512, "\x00", "\x1b[2J"])
def test_a_comment_that_signify_would_refuse_is_never_written(comment: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        sign_embedded(KEY, MESSAGE, comment)
    with pytest.raises(ValueError, match="one line"):
        KEY.public.file(comment)
