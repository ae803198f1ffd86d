"""pull: bring an archive up to the server, folder by folder, with a checkpoint now and then.

Nothing that the server says takes anything out of the archive. What fails in one folder never stops the
next; what stops the account leaves committed what was taken in until then.
"""

import time
from collections.abc import Callable

from archiver.errors import ArchiverError, Damaged, FolderRefused, OtherMailbox, StoreFailed
from archiver.events import FolderFailed, Warned
from archiver.model import Folder, RunKind
from archiver.ops.pull_folder import FolderPull, Work
from archiver.ops.pull_report import FolderReport, PullReport
from archiver.plan.pull import is_other_mailbox


class Pull:
    """One pull of one account; call it once."""

    def __init__(self, work: Work, *, accept_other_mailbox: bool = False) -> None:
        self._work = work
        self._run = work.run
        self._held_before = sum(
            state.held for state in work.run.catalog.folders() if work.selection.takes_folder(state.folder)
        )
        self._recognised = accept_other_mailbox or not self._held_before
        self._waiting: list[FolderPull] = []  # folders listed while it is open whose mailbox this is
        self._committed = False
        self.report = PullReport(work.name, [], work.run.head)

    def __call__(self) -> PullReport:
        """Pull. Raises what stops the account; what was committed until then stays, and stands in `report`."""
        began = time.monotonic()
        try:
            self._pull()
        except BaseException:
            if not self._committed:
                self.report.folders.clear()  # what they tell of may not have been committed
            raise
        finally:
            self.report.took_s = time.monotonic() - began
        return self.report

    def _pull(self) -> None:
        try:
            self._folders()
        except (OtherMailbox, StoreFailed, Damaged):
            raise  # nothing more may be written
        except ArchiverError:
            self._commit("checkpoint")
            self._committed = True
            raise
        self._commit("run")
        self._committed = True
        self.report.ended = True

    def _commit(self, kind: RunKind) -> None:
        if not self._work.dry:
            self._work.commit(kind)
        self.report.head = self._run.head

    def _folders(self) -> None:
        present = self._work.account.folders()
        for folder in present:
            self._work.check_stop()
            report = FolderReport(folder.name, folder.special_use)
            self.report.folders.append(report)
            if not self._work.selection.takes_folder(folder):
                report.excluded = True
                continue
            self._guarded(FolderPull(self._work, folder, report), self._folder)
        self._end_waiting()
        self._record_gone({folder.name for folder in present})

    def _guarded(self, pull: FolderPull, step: Callable[[FolderPull], None]) -> None:
        """Keep a folder's refusal within the folder."""
        try:
            step(pull)
        except FolderRefused as error:
            pull.report.error = error.text
            if not self._recognised:
                self._held_before -= pull.held_before  # it says nothing of whose mailbox this is
            self._work.reporter.report(FolderFailed(self._work.name, pull.folder.name, error.text))

    def _folder(self, pull: FolderPull) -> None:
        if not self._recognised:
            self._recognised = pull.recognise()
            self._waiting.append(pull)
            if self._recognised:
                self._take_waiting()
            return
        self._timed(pull)

    def _end_waiting(self) -> None:
        new = sum(pull.new for pull in self._waiting)
        held = self._held_before if self._waiting else 0
        if is_other_mailbox(held_before=held, recognised=0, new=new) and not self._moved():
            raise OtherMailbox(
                f'account "{self._work.name}" shows none of the {self._held_before} messages it had before: '
                "this is another mailbox",
                "check its host and user; if it is right, run: archiver pull --accept-other-mailbox",
            )
        self._take_waiting()

    def _moved(self) -> bool:
        """Tell whether a message that is held is now in another folder."""
        catalog = self._run.catalog
        held = [one for state in catalog.folders() if state.held for one in catalog.fingerprints(state.id)]
        return any(pull.shows(held) for pull in self._waiting)

    def _take_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for pull in waiting:
            self._guarded(pull, self._timed)

    def _timed(self, pull: FolderPull) -> None:
        began = time.monotonic()
        try:
            self._take(pull)
        finally:
            pull.report.took_s = time.monotonic() - began

    def _take(self, pull: FolderPull) -> None:
        """Take a folder in; where its account does not balance, list it in full and compare, once."""
        pull.report.before = pull.held_before
        balance = pull.take()
        if balance.unexplained and not pull.listed_in_full and not self._work.dry:
            self._work.commit("checkpoint")
            pull = FolderPull(self._work, pull.folder, pull.report, full=True)
            balance = pull.take()
        pull.report.balance = balance
        if self._work.dry:
            return
        if balance.unexplained:
            text = f'folder "{pull.folder.name}": {balance.unexplained} messages are not accounted for'
            self._work.reporter.report(Warned(text))
        else:
            pull.advance()
        if self._run.due:
            self._commit("checkpoint")

    def _record_gone(self, present: set[str]) -> None:
        if self._work.dry or self._work.partial:
            return
        for state in self._run.catalog.folders():
            folder: Folder = state.folder
            if folder.name not in present and not state.gone and self._work.selection.takes_folder(folder):
                self._run.gone(folder, state.epoch)
                report = FolderReport(folder.name, folder.special_use, vanished=state.held, gone=True)
                report.before = state.held
                self.report.folders.append(report)
