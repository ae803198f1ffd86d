"""archiver repair: make good what verify finds."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import zip_longest

import click
from msgspec import Struct
from msgspec.structs import replace

from archiver import wiring
from archiver.archive.archive import Archive
from archiver.archive.chain import Chain
from archiver.archive.writer import ChainOwner
from archiver.catalog.sqlite import SqliteCatalog, look_at, remove_catalog
from archiver.cli.consent import agree, yes_option
from archiver.cli.names import account_names
from archiver.cli.output import number, print_json, say, shown
from archiver.cli.session import Session, archive_option, passphrase_option, shared_options
from archiver.cli.stop import Stop, stoppable
from archiver.config import ArchiveSettings
from archiver.errors import ArchiverError, Damaged, Interrupted, UsageError, WrongKey
from archiver.ops.repair import Diagnosis, Outcome, Patient, Repair, Tools, examine
from archiver.plan.repair import Mend, Way, of_way
from archiver.ports import Account, Catalog, Reader, Run

MANY = 20  # lost messages that a plan names; all of them are named behind it


class Case(Struct):
    """One chain: what it is, what was found, and what was done."""

    settings: ArchiveSettings
    archive: Archive
    chain: Chain
    patient: Patient
    found: Diagnosis
    kind: str
    outcome: Outcome | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return self.patient.account or f"chain {self.chain.name}"


@click.command("repair")
@click.argument("name", required=False, shell_complete=account_names)
@click.option("--dry-run", is_flag=True, help="Tell what would be done.")
@yes_option
@archive_option
@passphrase_option
@shared_options
def command(
    session: Session,
    name: str | None,
    dry_run: bool,
    yes: bool,
    archive_name: str | None,
    passphrase_command: str | None,
) -> None:
    """Make good what verify finds: leftovers removed, messages in damaged objects had from elsewhere.

    The plan is shown first and asked for. Nothing that the archive names is ever removed.

    \b
      archiver repair --dry-run
      archiver repair work
    """
    cases: list[Case] = []
    with ExitStack() as stack:

        def look(settings: ArchiveSettings) -> None:
            cases.extend(_examine_all(session, stack, settings, name, passphrase_command))

        failure = session.in_each(session.archives(archive_name, [name] if name else []), look)
        if failure is not None:
            raise failure
        if name and not cases:
            raise UsageError(f'nothing is archived of account "{name}"', f"pull it: archiver pull {name}")
        cases.sort(key=lambda case: case.name)
        to_do = [case for case in cases if case.patient.own and case.found.treatable]
        asks = bool(to_do) and not dry_run and not yes
        for case in cases:
            _tell_plan(say if asks else session.say, case)
        if to_do and not dry_run:
            agree(f"Repair {', '.join(case.name for case in to_do)}?", yes=yes)
            with stoppable() as stop:
                failure = _carry_out_all(session, to_do, stop)
    if session.json:
        print_json({"type": "repaired", "dry_run": dry_run, "chains": [_document(case) for case in cases]})
    if failure is not None:
        raise failure
    _check(cases)


def _carry_out_all(session: Session, cases: list[Case], stop: Stop) -> ArchiverError | None:
    """Do what was agreed to; what fails in one chain keeps no other from its turn. Gives the first failure."""
    failures: list[ArchiverError] = []
    for case in cases:
        stop.begin()
        try:
            _carry_out(session, case, stop)
        except Interrupted:
            raise
        except ArchiverError as error:
            failures.append(error)
            if len(cases) > 1:
                say(f"{case.name}: error: {error.text}")
    return failures[0] if failures else None


def _examine_all(
    session: Session,
    stack: ExitStack,
    settings: ArchiveSettings,
    name: str | None,
    passphrase_command: str | None,
) -> Iterator[Case]:
    archive = session.archive(settings)
    for chain_name in archive.chains():
        chain = archive.chain(chain_name)
        own = _own(archive, chain_name)
        if own is not None and name in (None, own):
            stack.enter_context(archive.lock(own))  # until all is done: what a run is writing is no leftover
        catalog = SqliteCatalog()
        stack.callback(catalog.close)
        whole = _fill(archive, chain, catalog)
        header = catalog.header()
        account = own or (header.account if header else None)
        if name is not None and account not in (None, name):
            continue
        with session.progress() as progress:
            patient = Patient(
                chain=chain_name,
                account=account,
                own=own is not None,
                store=archive.store,
                audit=lambda chain=chain: archive.audit(chain),  # type: ignore[misc]
                catalog=catalog if whole else None,
                reporter=progress,
                asks_server=account in session.settings.accounts,
            )
            reader = _reader(session, settings, catalog, passphrase_command, before=progress.clear)
            found = examine(patient, reader)
        if own is not None and whole and not found.broken:
            found.catalog = _trouble(archive, chain, catalog)
        yield Case(settings, archive, chain, patient, found, header.kind if header else "imap")


def _own(archive: Archive, chain: str) -> str | None:
    try:
        return archive.account_of(chain)
    except Damaged:
        return None  # it does not verify: nothing of it is touched


def _fill(archive: Archive, chain: Chain, catalog: SqliteCatalog) -> bool:
    """Fill a catalog from the indexes themselves; tells whether all of them could be read."""
    try:
        archive.replay(chain, catalog, 1 << 60)
    except (Damaged, WrongKey):
        return False
    return True


def _reader(
    session: Session,
    settings: ArchiveSettings,
    catalog: Catalog,
    passphrase_command: str | None,
    *,
    before: Callable[[], None],
) -> Callable[[], Reader]:
    """Give what opens the reader when it is needed: then the passphrase is asked for, on a clean line."""

    def reader() -> Reader:
        before()
        return session.unlocked(settings, passphrase_command).reader(catalog, salvage=True)

    return reader


def _trouble(archive: Archive, chain: Chain, truth: SqliteCatalog) -> str | None:
    """Tell what is wrong with the local catalog, `truth` being what the archive says."""
    if chain.head().seq == 0:
        return None
    path = wiring.catalog_path(archive, chain)
    trouble = look_at(path)
    if trouble is not None:
        return trouble
    local = wiring.open_catalog(archive, chain)
    try:
        same = all(one == other for one, other in zip_longest(local.contents(), truth.contents()))
    except Damaged:
        return "is damaged"
    finally:
        local.close()
    return None if same else "differs from the archive"


def _carry_out(session: Session, case: Case, stop: Stop) -> None:
    archive, chain, patient = case.archive, case.chain, case.patient
    assert patient.account is not None
    assert patient.catalog is not None or not case.found.mends
    if case.found.catalog is not None:
        remove_catalog(wiring.catalog_path(archive, chain))
        wiring.open_catalog(archive, chain).close()
    owner = ChainOwner(patient.account, case.kind)

    @contextmanager
    def run() -> Iterator[Run]:
        catalog = wiring.open_catalog(archive, chain)
        try:
            with archive.begin(owner, chain, catalog, case.settings.compression, wiring.now) as begun:
                yield begun
        finally:
            catalog.close()

    @contextmanager
    def server() -> Iterator[Account]:
        account = wiring.open_account(session.settings.account(owner.account), session.say)
        try:
            yield account
        finally:
            account.close()

    def reader() -> Reader:
        assert patient.catalog is not None
        return archive.reader(patient.catalog, salvage=True)

    with session.progress() as progress:
        repair = Repair(replace(patient, reporter=progress), case.found, Tools(reader, run, server, stop))
        case.outcome = repair.outcome
        try:
            repair()
        finally:
            progress.clear()
            _tell_outcome(session, case)


def _tell_plan(tell: Callable[[str], None], case: Case) -> None:
    """Tell it; whoever is asked sees it, even with `--quiet`."""
    found = case.found
    lines = [f"damage: {one.what}" for one in (*found.broken, *found.damaged)]
    lines += [f"note: {one.what}; no message depends on it" for one in found.spare]
    if found.broken:
        lines.append(
            f"the chain is sound up to run {found.head.seq}; what came later cannot be repaired from what is left: "
            "put the files back from a copy of the archive. Nothing is removed"
        )
    if found.catalog is not None:
        lines.append(f"the local catalog {found.catalog}: made anew from the archive")
    lines += _sweep_lines(case)
    lines += [
        f"{number(len(mends), 'message')} in doubt: {what}"
        for way, what in _WAYS.items()
        if (mends := of_way(found.mends, way))
    ]
    lost = of_way(found.mends, Way.LOST)
    lines += [f"  {mend.digest[:12]} of {_folders(mend)}" for mend in lost[:MANY]]
    lines += [f"  and {number(len(lost) - MANY, 'other')}"] if len(lost) > MANY else []
    if found.missed:
        lines.append(f"{number(found.missed, 'message')} missed so far: the next pull tries again")
    if not case.patient.own and found.damaged:
        lines.append("this chain is written by another machine: run archiver repair there")
    if not lines:
        tell(f"{case.name}: nothing to repair")
        return
    tell("\n  ".join([f"{case.name}:", *lines]))


_WAYS = {
    Way.COPY: "there is a sound copy, which is theirs from now on",
    Way.SALVAGE: "can be read from what is damaged, and are stored anew",
    Way.FETCH: "cannot be read; the server is asked for them",
    Way.LOST: "cannot be had from anywhere, and stay as they are",
}


def _folders(mend: Mend) -> str:
    names = dict.fromkeys(entry.ref.folder for entry in mend.entries)
    return ", ".join(f'"{name}"' for name in names)


def _sweep_lines(case: Case) -> list[str]:
    sweep = case.found.sweep
    lines = []
    if sweep.remove and case.patient.own:
        lines.append(f"{number(len(sweep.remove), 'leftover')} of runs that were cut short: removed")
    elif sweep.remove:
        lines.append(
            f"{number(len(sweep.remove), 'leftover')} of another machine's runs: run archiver repair there"
        )
    if sweep.withheld:
        lines.append(
            f"{number(len(sweep.withheld), 'object')} of runs that are not in the chain, which seems to have "
            "lost its end: nothing is removed; compare with a copy of the archive"
        )
    return lines + [f'"{path}" was not made by archiver, and stays' for path in sweep.strangers]


def _tell_outcome(session: Session, case: Case) -> None:
    done = case.outcome
    assert done is not None
    parts = [
        f"{number(count, noun)} {what}"
        for count, noun, what in (
            (done.removed, "leftover", "removed"),
            (done.copied, "message", "pointed to a sound copy"),
            (done.salvaged, "message", "salvaged"),
            (done.fetched, "message", "fetched again"),
        )
        if count
    ]
    parts += ["catalog made anew"] if case.found.catalog is not None else []
    head = f"; head {done.head.seq} {done.head.sha256[:16]}" if done.head.seq else ""
    session.say(f"{case.name}: {', '.join(parts) or 'nothing done'}{head}")
    if not session.json:
        for loss in done.lost:
            click.echo(f'  lost: {loss.digest[:12]} of folder "{shown(loss.folder)}": {shown(loss.reason)}')


def _document(case: Case) -> dict[str, object]:
    found, done = case.found, case.outcome
    head = done.head if done else found.head
    return {
        "chain": case.chain.name,
        "account": case.patient.account,
        "own": case.patient.own,
        "head": {"seq": head.seq, "sha256": head.sha256},
        "broken": [one.what for one in found.broken],
        "damaged": [one.what for one in found.damaged],
        "spare": [one.what for one in found.spare],
        "catalog": found.catalog,
        "leftovers": [one.path for one in found.sweep.remove],
        "strangers": list(found.sweep.strangers),
        "withheld": list(found.sweep.withheld),
        "ways": {way.value: len(of_way(found.mends, way)) for way in Way},
        "missed": found.missed,
        "removed": done.removed if done else 0,
        "copied": done.copied if done else 0,
        "salvaged": done.salvaged if done else 0,
        "fetched": done.fetched if done else 0,
        "lost": [
            {"folder": one.folder, "sha256": one.digest, "reason": one.reason}
            for one in (done.lost if done else [])
        ],
    }


def _check(cases: list[Case]) -> None:
    """Raise `Damaged` where something archived is in doubt still."""
    broken = [case for case in cases if case.found.broken]
    if broken:
        raise Damaged(
            f"{number(len(broken), 'chain')} cannot be repaired from what is left: {broken[0].found.broken[0].what}",
            "put the files named above back from a copy of the archive; everything before is not affected",
        )
    lost = sum(len(case.outcome.lost) if case.outcome else 0 for case in cases)
    lost += sum(len(of_way(case.found.mends, Way.LOST)) for case in cases if case.outcome is None)
    if lost:
        raise Damaged(
            f"{number(lost, 'message')} could not be had from anywhere",
            "put the damaged files back from a copy of the archive; all other messages are not affected",
        )
    if any(case.found.untreated or case.found.sweep.withheld for case in cases):
        raise Damaged("damage is left that cannot be repaired here")
