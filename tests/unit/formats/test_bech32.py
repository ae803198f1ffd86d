import pytest

from archiver.formats import bech32

VALID = [  # BIP 173, "Test vectors", those without a witness program's own rules; and no limit on the length
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
]
INVALID = {
    "": "no '1'",
    "pzry9x0s0muk": "no '1'",
    "1pzry9x0s0muk": "no '1'",
    "10a06t8": "no '1'",
    "1qzzfhee": "no '1'",
    "li1dgmt3": "cut",
    "\x201nwldj5": "does not use",
    "\x7f1axkwrx": "does not use",
    "\x801eym55h": "does not use",
    "x1b4n0q5v": "does not use",
    "A1G7SGD8": "checksum",
    "A12uEL5L": "mixed",
    "A12UE\N{KELVIN SIGN}5L": "does not use",
}


@pytest.mark.parametrize("text", VALID)
def test_the_published_texts_are_read_and_written_back(text: str) -> None:
    prefix, data = bech32.decode(text)
    # two of the published texts end in filling bits that bytes do not need
    assert bech32.decode(bech32.encode(prefix.lower(), data)) == (prefix.lower(), data)


@pytest.mark.parametrize(("text", "why"), INVALID.items())
def test_a_bad_text_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        bech32.decode(text)
    assert not text or text not in str(caught.value)


def test_filling_bits_must_be_zero() -> None:
    good = bech32.encode("age", bytes(32))
    words = [bech32._ALPHABET.index(letter) for letter in good[4:-6]]
    words[-1] |= 1
    words += bech32._checksum("age", words)
    bad = "age1" + "".join(bech32._ALPHABET[word] for word in words)
    with pytest.raises(ValueError, match="last character"):
        bech32.decode(bad)


def test_a_whole_group_of_filling_is_refused() -> None:
    words = [0] * 8  # 40 bits are 5 bytes; one group more is filling alone
    words.append(0)
    words += bech32._checksum("age", words)
    bad = "age1" + "".join(bech32._ALPHABET[word] for word in words)
    with pytest.raises(ValueError, match="last character"):
        bech32.decode(bad)
