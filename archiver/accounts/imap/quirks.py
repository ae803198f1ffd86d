"""The oddities of real servers that reading must survive: each by name, with where it was met.

Pure: text and values in, values out. Where an oddity needs no more than a tolerant reader (items in any
order, dates with dots, several EXISTS lines) that reader is the cure.
"""

import re
from collections.abc import Mapping

from archiver import __version__

# https://github.com/imapsync/imapsync/blob/master/FAQ.d/FAQ.Office365.txt, imapsync#272: the server says how
# long to wait, then drops the line; a client that does not read it reports only "not connected".
_BACKOFF = re.compile(r"Suggested Backoff Time: (\d{1,9}) milliseconds", re.IGNORECASE)
_OVER_QUOTA = re.compile(
    r"over ?quota|quota exceeded|mailbox (is )?full|server unavailable\. 15", re.IGNORECASE
)
# https://github.com/imapsync/imapsync/blob/master/FAQ.d/FAQ.Gmail.txt: "Session expired, please login again" is what
# Gmail says to whom has had enough for the day; no message is to blame.
_BUSY = re.compile(
    r"throttled|too many (simultaneous )?connections|temporarily unavailable|session expired", re.IGNORECASE
)


def backoff_s(text: str) -> float | None:
    """Tell how many seconds an Office 365 that throttles wants to be left alone; None if it does not."""
    found = _BACKOFF.search(text)
    return int(found[1]) / 1000 if found else None


def is_busy(code: str, text: str) -> bool:
    """Tell whether a NO or BYE means "later", by its code (RFC 5530) or in words."""
    return code in {"UNAVAILABLE", "INUSE", "LIMIT"} or bool(_BUSY.search(text))


# https://github.com/pimalaya/himalaya/issues/651, OfflineIMAP/offlineimap#696: 163.com, 126.com and 188.com
# answer "NO SELECT Unsafe Login" until they have been sent an ID (RFC 2971) after the login.
def identity() -> Mapping[str, str]:
    """Tell a server who is calling: name, version and vendor, which is what 163.com wants to hear."""
    return {"name": "archiver", "version": __version__, "vendor": "archiver"}


def is_unsafe_login(text: str) -> bool:
    """Tell whether 163.com refuses a SELECT because it does not know the program."""
    return "unsafe login" in text.lower()


# https://github.com/Foundry376/Mailspring-Sync/pull/91: iCloud sends malformed VANISHED and no ENABLED, and
# its proxy hides the capabilities behind XAPPLEPUSHSERVICE.
def distrusts_qresync(capabilities: frozenset[str]) -> bool:
    """Tell whether this server is iCloud, whose QRESYNC loses mail."""
    return "XAPPLEPUSHSERVICE" in capabilities or "XAPPLELITERAL" in capabilities


def hides_capabilities(capabilities: frozenset[str]) -> bool:
    """Tell whether these capabilities were put in place of the true ones, which must be asked for again."""
    return "XAPPLEPUSHSERVICE" in capabilities and len(capabilities) < 4


# https://github.com/gaubert/gmvault/issues/172 and 181: long compressed sessions with Gmail break off.
def breaks_compressed_sessions(capabilities: frozenset[str]) -> bool:
    """Tell whether this server is Gmail, which offers COMPRESS and is better served without."""
    return "X-GM-EXT-1" in capabilities


# https://github.com/purelymail/Purelymail-issues/issues/446: HIGHESTMODSEQ 0, which RFC 7162 forbids.
def modseq(told: int | None) -> int | None:
    """Take a HIGHESTMODSEQ; 0 means that the server keeps none."""
    return told or None


# https://github.com/simonrob/email-oauth2-proxy/issues/74: OK to the login, then BAD to all that follows.
def is_over_quota(text: str) -> bool:
    """Know a full mailbox by its words: few servers send the code OVERQUOTA (RFC 9208).

    Exchange says `Server Unavailable. 15` (imapsync FAQ.Exchange).
    """
    return _OVER_QUOTA.search(text) is not None


def is_not_connected(text: str) -> bool:
    """Tell whether Exchange let the user in and yet has no mailbox for them."""
    return "authenticated but not connected" in text.lower()


# https://imapsync.lamiral.info/FAQ.d/FAQ.Gmail.txt, joeyates/imap-backup#110, Google's "IMAP extensions": a
# folder of Gmail is a label, and what is expunged there only loses the label: the message stays in All Mail.
# Only what is in the trash (or in spam) is removed for good by an expunge.
def expunge_only_unlabels(capabilities: frozenset[str]) -> bool:
    """Tell whether this is Gmail, where a message has to be moved to the trash before it can be removed."""
    return "X-GM-EXT-1" in capabilities


# https://developers.google.com/gmail/imap/imap-extensions
def has_labels(capabilities: frozenset[str]) -> bool:
    """Tell whether this is Gmail, which tells and takes the labels of a message."""
    return "X-GM-EXT-1" in capabilities
