"""Which numbering of messages a UID belongs to: UIDVALIDITY, and whose mailbox it is.

UIDVALIDITY alone does not tell two mailboxes apart: Dovecot takes the second of a mailbox's creation, others a
constant. So the epoch carries host and user, hashed; a change of either is a change of epoch, after which
messages are recognised by what they are and not by their UIDs.
"""


def write(uidvalidity: int, owner: str) -> str:
    """Write an epoch: `1712345678.3f9a61c2`."""
    return f"{uidvalidity}.{owner}"


def read(epoch: str, owner: str) -> int | None:
    """Read the UIDVALIDITY of an epoch; None where it is another mailbox's."""
    digits, _, whose = epoch.partition(".")
    return int(digits) if whose == owner and digits.isdecimal() and len(digits) < 20 else None
