"""SASLprep (RFC 4013): user names and passwords in one form, however they were typed. Pure."""

import unicodedata

_FORBIDDEN = tuple(
    f"in_table_{name}" for name in ("c12", "c21_c22", "c3", "c4", "c5", "c6", "c7", "c8", "c9")
)


def saslprep(text: str) -> str:
    """Prepare a text; one that RFC 4013 forbids stays as it is, for servers that are not so strict."""
    if text.isascii():
        return text
    import stringprep  # noqa: PLC0415 -- its tables are large, and most texts are ASCII

    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter
        for letter in text
        if not stringprep.in_table_b1(letter)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    forbidden = [getattr(stringprep, table) for table in _FORBIDDEN]
    if not prepared or any(table(letter) for letter in prepared for table in forbidden):
        return text
    right_to_left = [stringprep.in_table_d1(letter) for letter in prepared]
    if any(right_to_left) and (  # RFC 3454 section 6
        any(stringprep.in_table_d2(letter) for letter in prepared)
        or not (right_to_left[0] and right_to_left[-1])
    ):
        return text
    return prepared
