"""SASL by the examples of its specifications, and against servers that are not what they say."""

import base64
import hashlib
import hmac

import pytest

from archiver.accounts import sasl
from archiver.accounts.saslprep import saslprep
from archiver.errors import LoginRefused, Untrusted
from archiver.model import AccessToken, Secret

NONCE = "rOprNGfwEbeRWgbNEkqO"
FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def scram() -> sasl.Scram:
    return sasl.ScramSha256("user", Secret("pencil"), lambda: NONCE)


def test_scram_sha_256_is_the_exchange_of_rfc_7677() -> None:
    client = scram()
    assert client.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert not client.judged
    assert client.answer(FIRST) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert client.judged
    assert client.answer(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""
    client.check()


def test_scram_sha_1_is_the_exchange_of_rfc_5802() -> None:
    client = sasl.ScramSha1("user", Secret("pencil"), lambda: "fyko+d2lbbFgONRv9qkxdawL")
    assert client.first() == b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    told = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
    assert client.answer(told).endswith(b",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
    assert client.answer(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") == b""
    client.check()


def test_a_server_that_does_not_know_the_password_is_not_trusted() -> None:
    client = scram()
    client.first()
    client.answer(FIRST)
    with pytest.raises(Untrusted):
        client.answer(b"v=" + base64.b64encode(bytes(32)))


@pytest.mark.parametrize("steps", [0, 1])
def test_a_server_that_is_content_without_a_signature_is_not_trusted(steps: int) -> None:
    client = scram()
    client.first()
    if steps:
        client.answer(FIRST)
    with pytest.raises(Untrusted):
        client.check()


@pytest.mark.parametrize(
    "challenge",
    [
        b"r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        FIRST.replace(b"i=4096", b"i=1"),
        FIRST.replace(b"i=4096", b"i=4095"),
        FIRST.replace(b"i=4096", b"i=999999999"),
        FIRST.replace(b"i=4096", b"i=-4096"),
        FIRST.replace(b"s=W22ZaJ0SNY7soEsUEjb6gQ==", b"s="),
        FIRST.replace(b"s=W22Z", b"s=?"),
        b"m=ext," + FIRST,
        b"\xff\xfe",
        b"",
        b"nonsense",
    ],
)
def test_a_challenge_without_sense_is_not_answered(challenge: bytes) -> None:
    client = scram()
    client.first()
    with pytest.raises(LoginRefused):
        client.answer(challenge)
    assert not client.judged


def test_what_a_server_says_against_a_proof_is_kept() -> None:
    client = scram()
    client.first()
    client.answer(FIRST)
    assert client.answer(b"e=invalid-proof") == b""
    assert client.told == "invalid-proof"


def test_a_name_with_commas_and_equal_signs_is_escaped() -> None:
    client = sasl.ScramSha256("a=b,c", Secret("x"), lambda: "n")
    assert client.first() == b"n,,n=a=3Db=2Cc,r=n"


def test_a_nonce_is_never_the_same() -> None:
    assert len({sasl.ScramSha256("a", Secret("b")).first() for _ in range(20)}) == 20


def test_a_password_counts_in_its_prepared_form() -> None:
    typed, meant = "pa\u00adss\u2168 e\u0301", "passIX é"
    client = sasl.ScramSha256("user", Secret(typed), lambda: NONCE)
    client.first()
    answer = client.answer(FIRST)
    salted = hashlib.pbkdf2_hmac("sha256", meant.encode(), base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    message = b"n=user,r=" + NONCE.encode() + b"," + FIRST + b"," + answer.partition(b",p=")[0]
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = base64.b64decode(answer.partition(b",p=")[2])
    assert bytes(a ^ b for a, b in zip(proof, signature, strict=True)) == key


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", "\u0007"),
        ("\u0627\u0031", "\u0627\u0031"),
        ("é\u0007", "é\u0007"),
        ("a\u00a0b", "a b"),
    ],
)
def test_saslprep_is_that_of_rfc_4013_and_leaves_what_is_forbidden(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


def test_oauthbearer_is_the_message_of_rfc_7628() -> None:
    client = sasl.OAuthBearer(
        "user@example.com",
        AccessToken("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
        "server.example.com",
        143,
    )
    assert base64.b64encode(client.first()) == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
        b"HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )
    assert client.answer(b'{"status":"invalid_token","scope":"example_scope"}') == b"\x01"
    assert client.told == "invalid_token"


def test_xoauth2_is_the_message_of_its_documentation() -> None:
    client = sasl.XOAuth2(
        "someuser@example.com", AccessToken("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    )
    assert base64.b64encode(client.first()) == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRX"
        b"VZMjl0Q2cBAQ=="
    )
    assert client.answer(b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}') == b""
    assert client.told == "400"


@pytest.mark.parametrize("challenge", [b"", b"\xff", b"[]", b'"x"', b'{"status":{}}', b"{"])
def test_a_failure_that_is_no_json_is_no_failure_of_ours(challenge: bytes) -> None:
    client = sasl.XOAuth2("a", AccessToken("t"))
    assert client.answer(challenge) == b""
    assert client.told == ""


def names(offered: str, secret: Secret) -> list[str]:
    return [each.name for each in sasl.mechanisms(offered.split(), "u", secret, "h", 1)]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("PLAIN LOGIN", ["PLAIN"]),
        ("PLAIN SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2", ["SCRAM-SHA-256", "PLAIN"]),
        ("SCRAM-SHA-1", ["SCRAM-SHA-1"]),
        ("SCRAM-SHA-256-PLUS", []),
        ("XOAUTH2 OAUTHBEARER", []),
    ],
)
def test_a_password_goes_the_best_way_first(offered: str, chosen: list[str]) -> None:
    assert names(offered, Secret("x")) == chosen


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("PLAIN XOAUTH2 OAUTHBEARER", ["XOAUTH2"]), ("PLAIN OAUTHBEARER", ["OAUTHBEARER"]), ("PLAIN", [])],
)
def test_a_token_goes_as_a_token_alone(offered: str, chosen: list[str]) -> None:
    assert names(offered, AccessToken("x")) == chosen


def test_what_was_judged_is_not_tried_again() -> None:
    client, plain = scram(), sasl.Plain("u", Secret("x"))
    assert sasl.may_follow(client, understood=True, guarded=True)
    assert not sasl.may_follow(client, understood=True, guarded=False)
    assert not sasl.may_follow(client, understood=False, guarded=False)
    client.first()
    client.answer(FIRST)
    assert not sasl.may_follow(client, understood=True, guarded=True)
    assert not sasl.may_follow(client, understood=False, guarded=True)
    assert not sasl.may_follow(plain, understood=True, guarded=True)
    assert sasl.may_follow(plain, understood=False, guarded=True)
    assert not sasl.may_follow(sasl.XOAuth2("u", AccessToken("t")), understood=False, guarded=True)


@pytest.mark.parametrize("text", ["?", "é", "YQ", "YQ=?"])
def test_a_challenge_that_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(LoginRefused):
        sasl.decode(text)
