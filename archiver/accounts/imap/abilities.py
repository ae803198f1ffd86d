"""What a server's capabilities mean for those who archive it: pure, in plain words."""

from collections.abc import Set as AbstractSet

from archiver.accounts.imap import quirks


def told(capabilities: AbstractSet[str]) -> list[str]:
    """Say what archiver can do with a server of these capabilities, and what it cannot."""
    return [_changes(capabilities), _removal(capabilities), *_oddities(frozenset(capabilities))]


def _changes(capabilities: AbstractSet[str]) -> str:
    if "QRESYNC" in capabilities and not quirks.distrusts_qresync(frozenset(capabilities)):
        return "it tells what changed and what is gone (QRESYNC): a pull without news is quick"
    if "CONDSTORE" in capabilities:
        return "it tells what changed (CONDSTORE), not what is gone: folders are listed where their count differs"
    return "it cannot tell what changed: each pull lists the folders that may have"


def _removal(capabilities: AbstractSet[str]) -> str:
    modern = "IMAP4REV2" in capabilities
    if modern or {"MOVE", "UIDPLUS"} <= capabilities:
        return "prune can move messages to the Trash, and remove them for good (MOVE, UIDPLUS)"
    if "UIDPLUS" in capabilities:
        return "prune can move messages to the Trash, by a copy, and remove them for good (UIDPLUS)"
    if "MOVE" in capabilities:
        return "prune can move messages to the Trash (MOVE), and not remove them for good (no UIDPLUS)"
    return "prune can do nothing here: the server can neither move nor remove single messages"


def _oddities(capabilities: frozenset[str]) -> list[str]:
    """Name the quirks that are in use from the login on."""
    told = []
    if quirks.distrusts_qresync(capabilities):
        told.append("it is taken for iCloud: its QRESYNC loses mail, and is not used")
    if quirks.expunge_only_unlabels(capabilities):
        told.append("it is taken for Gmail: what prune removes for good goes by way of the trash")
    if quirks.breaks_compressed_sessions(capabilities) and "COMPRESS=DEFLATE" in capabilities:
        told.append("it offers compression, which is not used: long sessions break off with it")
    return told
