"""What may be removed from a server: only what is proven to be archived; and why each other message stays.

Every condition stands alone, and the first that fails is the reason told. All of them must hold when the plan is
made, and again at the moment of removal (docs/explanation/prune.md).
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from archiver.model import Entry, Kind, Looked

HALF = 0.5


class Why(StrEnum):
    """Why a message stays on the server."""

    NO_MAIL = "no mail, and its folder is not named by its whole name"
    UNDATED = "its date of receipt is not known"
    TOO_YOUNG = "not old enough"
    TOO_SMALL = "not large enough"
    AMONG_LAST = "among the last of its folder"
    GRACE = "archived too short a time ago"
    NOT_THERE = "no longer on the server"
    IN_TRASH = "in the Trash already"
    OTHER_SIZE = "the server names another size than when it was archived"
    OTHER_DATE = "the server names another date than when it was archived"
    FLAGGED = "flagged"
    DRAFT = "a draft"
    UNREAD = "unread"
    NOT_READ_BACK = "its stored copy was not read back"
    STAND_IN = "what is archived is an error text in its place"
    NOT_FETCHED = "its content on the server could not be compared"
    OTHER_CONTENT = "its content on the server is another"


CHOICE = frozenset({Why.NO_MAIL, Why.UNDATED, Why.TOO_YOUNG, Why.TOO_SMALL, Why.AMONG_LAST})
"""What the policy says; the other reasons are guards against what it does not foresee."""


class Policy(Struct, frozen=True):
    """Which messages are to go; all conditions that are set must hold.

    `before` is exclusive and on the date of receipt, `larger` in bytes and exclusive, `last` counts messages of
    each folder; `settled` is the latest commit whose messages may go. `flagged`, `drafts` and `unread` take these
    in, too, and `items` what is no mail: a calendar is not to be emptied because it is old.
    """

    before: datetime | None = None
    larger: int | None = None
    last: int = 0
    settled: datetime | None = None
    flagged: bool = False
    drafts: bool = False
    unread: bool = False
    items: bool = False
    refetch: bool = False


class Proof(Struct, frozen=True):
    """What reading a stored copy back has shown: its bytes are those archived; whether they are a stand-in.

    `essence` is what of them a server says the same way each time, where its bytes are never twice the same.
    """

    stand_in: bool = False
    essence: str | None = None


class Evidence(Struct, frozen=True):
    """What is known beside the archive's own word, at one moment.

    `times` tells when each run was committed; `last` are the keys of the last messages of the folder; `looked`
    is what the server says now; `proofs` are by digest, `fetched` by key (-> digest of what the server gave, or of
    what is archived where that says the same), and both None before they were asked for.
    """

    times: Mapping[int, datetime]
    last: frozenset[str]
    looked: Looked
    proofs: Mapping[str, Proof] | None = None
    fetched: Mapping[str, str] | None = None
    in_trash: bool = False


def why_kept(entry: Entry, policy: Policy, evidence: Evidence) -> Why | None:
    """Give the first reason for which a message stays; None if it may be removed.

    Without proofs only what comes before them is decided: which messages are worth reading back.
    """
    why = (
        why_not_chosen(entry, policy, evidence.last)
        or _why_unsettled(entry, policy, evidence)
        or _why_another(entry, policy, evidence)
        or _why_marked(entry, policy, evidence.looked)
    )
    if why is None and evidence.proofs is not None:
        why = _why_unproven(entry, policy, evidence)
    return why


def why_not_chosen(entry: Entry, policy: Policy, last: Set[str]) -> Why | None:
    """Hold a message against the policy, on its kind, and dates and sizes that were archived with it."""
    if entry.kind is not Kind.MAIL and not policy.items:
        return Why.NO_MAIL
    if policy.before is not None:
        if entry.received is None:
            return Why.UNDATED
        if entry.received >= policy.before:
            return Why.TOO_YOUNG
    if policy.larger is not None and entry.size <= policy.larger:
        return Why.TOO_SMALL
    if entry.ref.key in last:
        return Why.AMONG_LAST
    return None


def _why_unsettled(entry: Entry, policy: Policy, evidence: Evidence) -> Why | None:
    if entry.lost:
        return Why.NOT_READ_BACK
    if policy.settled is None:
        return None
    committed = evidence.times.get(entry.run)
    return Why.GRACE if committed is None or committed > policy.settled else None


def _why_another(entry: Entry, policy: Policy, evidence: Evidence) -> Why | None:
    """Make sure that folder, epoch and key still name the message that was archived."""
    looked = evidence.looked
    remote = looked.messages.get(entry.ref.key)
    if remote is None or remote.ref != entry.ref or entry.vanished:
        return Why.NOT_THERE
    if evidence.in_trash:
        return Why.IN_TRASH
    if remote.size is None or remote.size != entry.named_size:
        return Why.OTHER_SIZE
    if looked.dates and remote.received != entry.received:
        return Why.OTHER_DATE
    if remote.received is None and not policy.refetch:
        return Why.NOT_FETCHED  # nothing but its content tells that it is the same
    return None


def _why_marked(entry: Entry, policy: Policy, looked: Looked) -> Why | None:
    if not looked.flags:
        return None
    told = {flag.lower() for flag in looked.messages[entry.ref.key].flags}
    if "\\flagged" in told and not policy.flagged:
        return Why.FLAGGED
    if "\\draft" in told and not policy.drafts:
        return Why.DRAFT
    if entry.kind is Kind.MAIL and "\\seen" not in told and not policy.unread:
        return Why.UNREAD
    return None


def _why_unproven(entry: Entry, policy: Policy, evidence: Evidence) -> Why | None:
    proof = evidence.proofs.get(entry.digest) if evidence.proofs else None
    if proof is None:
        return Why.NOT_READ_BACK
    if proof.stand_in:
        return Why.STAND_IN
    if policy.refetch:
        found = evidence.fetched.get(entry.ref.key) if evidence.fetched else None
        if found is None:
            return Why.NOT_FETCHED
        if found != entry.digest:
            return Why.OTHER_CONTENT
    return None


def last_of(entries: Iterable[Entry], count: int) -> frozenset[str]:
    """Give the keys of the last messages of a folder, by date of receipt; those without date come last."""
    if count <= 0:
        return frozenset()

    def age(entry: Entry) -> tuple[bool, float, int]:
        received = entry.received
        return received is None, received.timestamp() if received else 0.0, entry.run

    return frozenset(entry.ref.key for entry in sorted(entries, key=age)[-count:])


class Cut(Struct, frozen=True):
    """What a plan takes from one folder: of how many held there, and of how many the server says it has."""

    folder: str
    removed: int
    held: int
    exists: int


def brakes(
    cuts: Sequence[Cut], held: int, *, allow_empty: Iterable[str] = (), max_share: float = HALF
) -> list[str]:
    """Tell why a plan is too much to be meant; `held` counts the account's messages that are on the server."""
    allowed = set(allow_empty)
    found = [
        f'it would empty the folder "{cut.folder}" (allowed by --allow-empty "{cut.folder}")'
        for cut in cuts
        if cut.removed and cut.removed >= min(cut.held, cut.exists) and cut.folder not in allowed
    ]
    removed = sum(cut.removed for cut in cuts)
    if removed > held * max_share:
        share = f"{max_share:.0%}"
        found.append(
            f"it would take {removed:,} of the account's {held:,} messages, more than {share} (allowed by --max-share)"
        )
    return found
