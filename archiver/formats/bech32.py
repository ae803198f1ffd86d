"""Bech32 as age writes its keys: BIP 173 with checksum constant 1, and without its limit of 90 characters."""

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LENGTH = 6


def encode(prefix: str, data: bytes) -> str:
    """Write `data` under a lower-case human-readable `prefix`: `prefix1…`, all in lower case."""
    words = _to_words(data)
    words += _checksum(prefix, words)
    return prefix + "1" + "".join(_ALPHABET[word] for word in words)


def decode(text: str) -> tuple[str, bytes]:
    """Read a Bech32 text of one case: its prefix, in the case it has, and its bytes.

    Raises `ValueError`, whose text never repeats the input: it may be a secret key.
    """
    if not all("!" <= letter <= "~" for letter in text):
        raise ValueError("it has a character that Bech32 does not use")
    if text not in (text.lower(), text.upper()):
        raise ValueError("upper and lower case are mixed")
    prefix, separator, rest = text.rpartition("1")
    if not separator or not prefix or len(rest) < _CHECKSUM_LENGTH:
        raise ValueError("it is cut or has no '1' after its prefix")
    rest = rest.lower()
    if not all(letter in _VALUES for letter in rest):
        raise ValueError("it has a character that Bech32 does not use")
    words = [_VALUES[letter] for letter in rest]
    if _polymod(_spread(prefix.lower()) + words) != 1:
        raise ValueError("its checksum does not match: a character is mistyped")
    return prefix, _to_bytes(words[:-_CHECKSUM_LENGTH])


def _spread(prefix: str) -> list[int]:
    codes = [ord(letter) for letter in prefix]
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _polymod(words: list[int]) -> int:
    remainder = 1
    for word in words:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ word
        for bit, factor in enumerate(_GENERATOR):
            if top >> bit & 1:
                remainder ^= factor
    return remainder


def _checksum(prefix: str, words: list[int]) -> list[int]:
    remainder = _polymod(_spread(prefix) + words + [0] * _CHECKSUM_LENGTH) ^ 1
    return [remainder >> 5 * (_CHECKSUM_LENGTH - 1 - place) & 31 for place in range(_CHECKSUM_LENGTH)]


def _to_words(data: bytes) -> list[int]:
    """Cut bytes into groups of 5 bits, the last one filled with zero bits."""
    count = (len(data) * 8 + 4) // 5
    number = int.from_bytes(data) << count * 5 - len(data) * 8
    return [number >> 5 * (count - 1 - place) & 31 for place in range(count)]


def _to_bytes(words: list[int]) -> bytes:
    """Join groups of 5 bits; the filling must be shorter than a group and zero (BIP 173, "Bech32")."""
    length, filling = divmod(len(words) * 5, 8)
    number = 0
    for word in words:
        number = number << 5 | word
    if filling >= 5 or number & (1 << filling) - 1:
        raise ValueError("its last character is not the one an encoder writes")
    return (number >> filling).to_bytes(length)
