"""How an age file can fail, one class for each stage of reading (the classes of the public test vectors)."""

from archiver.errors import Damaged, WrongKey


class BadArmor(Damaged):
    """The text form of an age file is not the one an encoder writes."""


class BadHeader(Damaged):
    """The header of an age file breaks its grammar, a stanza's rules, or a limit of this reader."""


class BadMac(Damaged):
    """The header of an age file was changed after it was written."""


class BadPayload(Damaged):
    """The payload of an age file was changed, cut or extended."""


class NoMatch(WrongKey):
    """None of the given identities, or not the given passphrase, opens an age file."""


class NotAKey(WrongKey):
    """A text is not a key of a kind that archiver knows."""
