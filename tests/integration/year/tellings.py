"""What people must have been told, in order: each trouble once, and its end once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

_SUBJECT = re.compile(r"archiver (.*) on \S+: (works again|done, with warnings|failed)(?: \((.*)\))?")


@dataclass
class Tellings:
    """What must be told; `expected` are pairs of a job and of what is said of it: a code, or `done`."""

    expected: list[tuple[str, str]] = field(default_factory=list)
    episodes: int = 0
    repeated: int = 0
    _uncertain: set[str] = field(default_factory=set)
    _trouble: dict[str, str] = field(default_factory=dict)

    def ended(self, job: str, code: str, heard: Sequence[tuple[str, str]]) -> None:
        """Take in how a run ended that was not killed: `done`, or the code word of its failure.

        What it told counts only after a run that was killed between telling and remembering: that may be told again.
        """
        before = self._trouble.get(job, "done")
        told_again = job in self._uncertain and code == before and list(heard) == [(job, code)]
        if code != before or told_again:
            self.expected.append((job, code))
            self.repeated += told_again
            self.episodes += code != "done" and not told_again
        self._trouble[job] = code
        self._uncertain.discard(job)

    def killed(self, job: str, heard: Sequence[tuple[str, str]]) -> None:
        """Take in that a run was killed: what it told until then is told, be it remembered or not."""
        for about, code in heard:
            assert about == job
            self.expected.append((job, code))
            self.episodes += code != "done"
            self._trouble[job] = code
            self._uncertain.add(job)


def mailed(mails: Iterable[EmailMessage]) -> list[tuple[str, str]]:
    """Read of what the mails tell."""
    return [_read(str(one["Subject"])) for one in mails]


def _read(subject: str) -> tuple[str, str]:
    found = _SUBJECT.fullmatch(subject)
    assert found, subject
    return found[1], found[3] or "done"
