"""verify: hold an archive against its signed chain, and its messages against their digests.

Without a key: every manifest, every object, every byte. With the owner's key: every message too.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from archiver.errors import StoreFailed
from archiver.events import MessageRead, ObjectChecked, Warned
from archiver.model import Entry, Finding, Head
from archiver.plan.sample import objects_of, oldest, read_since
from archiver.ports import Audit, Catalog, Reader, Reading, Readings, Reporter

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class VerifyReport(Struct):
    """What was checked in one chain, and what was found."""

    chain: str
    head: Head
    runs: int
    account: str | None = None
    objects: int = 0
    size: int = 0
    messages: int = 0
    messages_size: int = 0
    findings: list[Finding] = []
    heads: list[Head] = []  # of all its runs
    affected: dict[str, int] = {}  # folder -> messages whose stored copy is in a damaged object
    volumes: frozenset[str] = frozenset()  # the objects that hold messages, and nothing else
    read_since: datetime | None = None  # every object was read then or later, and was sound

    @property
    def damaged(self) -> bool:
        """Whether anything archived is in doubt."""
        return any(finding.severity == "damage" for finding in self.findings)


def verify(
    audit: Audit, reporter: Reporter, readings: Readings, now: datetime, *, share: float = 1.0
) -> VerifyReport:
    """Check a chain without any key; of its objects' bytes, at least a `share` (0 to 1), those first that were not
    read for longest. What was read is noted in `readings`, as of `now`, also where the check is cut short.
    """
    findings = list(audit.manifests())
    report = VerifyReport(audit.name, audit.head, len(audit.runs), findings=findings, heads=audit.heads)
    report.volumes = frozenset(one.key for run in audit.runs for one in run.objects if one.role == "volume")
    # what was written or read in the future, by a clock that was ahead, would not be read again until then
    last = {key: one for key, one in readings.last().items() if one.at <= now or not one.sound}
    written = objects_of(audit.runs).items()
    objects = {key: (sealed, at if at <= now else _LONG_AGO) for key, (sealed, at) in written}
    chosen = frozenset(objects) if share >= 1.0 else oldest(objects, last, share)
    read: dict[str, Reading] = {}
    try:
        for found in audit.objects(lambda sealed: sealed.key in chosen):
            if isinstance(found, ObjectChecked):
                report.objects += 1
                report.size += found.size
                read.setdefault(found.key, Reading(now))
                reporter.report(found)
                continue
            report.findings.append(found)
            if found.severity == "damage":
                read.update((key, Reading(now, sound=False)) for key in found.objects if key in objects)
    finally:
        try:
            readings.note(read, objects)
        except StoreFailed as error:
            reporter.report(Warned(error.text))
    report.read_since = read_since(objects, last | read)
    return report


def verify_messages(report: VerifyReport, catalog: Catalog, reader: Reader, reporter: Reporter) -> None:
    """Decrypt every stored message once and compare it with its digest."""
    entries = {entry.digest: entry for entry in catalog.entries()}
    broken: dict[tuple[str, str], list[str]] = {}
    for entry, found in reader.read_many(entries.values()):
        if isinstance(found, bytes):
            report.messages += 1
            report.messages_size += entry.size
            reporter.report(MessageRead(entry.size))
        else:
            broken.setdefault((entry.place.volume, found.text), []).append(entry.digest)
    for (volume, why), digests in broken.items():
        text = f'{len(digests)} messages of "{volume}" cannot be read: {why}'
        report.findings.append(Finding("damage", report.chain, text, (volume,)))


def find_affected(report: VerifyReport, entries: Iterable[Entry], *, all_known: bool = False) -> None:
    """Count, by folder, the messages whose stored copy lies in a damaged object.

    Where `entries` are all that the chain holds (`all_known`), a damaged volume on which none of them depends is
    no more than a note: a repair has given each of its messages another copy.
    """
    damaged = {key for finding in report.findings if finding.severity == "damage" for key in finding.objects}
    hurt = [entry for entry in entries if entry.place.volume in damaged]
    report.affected = dict(Counter(entry.ref.folder for entry in hurt))
    if all_known:
        needed = {entry.place.volume for entry in hurt}
        report.findings = [_relieved(one, report.volumes, needed) for one in report.findings]


def _relieved(finding: Finding, volumes: frozenset[str], needed: set[str]) -> Finding:
    if finding.severity != "damage" or not finding.objects or not volumes.issuperset(finding.objects):
        return finding
    if not needed.isdisjoint(finding.objects):
        return finding
    what = f"{finding.what}; no message depends on it: each has another copy since a repair"
    return Finding("note", finding.chain, what, finding.objects)
