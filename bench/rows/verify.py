"""Reading everything back: decrypted and checked against what was archived."""

from collections.abc import Iterator

from bench.measure import in_turns
from bench.programs import Restic
from bench.setting import Setting
from bench.table import Row, compared


def verify(setting: Setting) -> Iterator[Row]:
    """Compare with restic, which holds the same mail as a Maildir."""
    archiver = setting.archiver("verify", setting.fill("corpus"))
    restic = Restic(setting.work / "restic")
    archiver.first_pull()
    restic.backup(setting.corpus)
    ours, theirs = in_turns(setting.rounds, archiver.verify, restic.check)
    yield compared("verify --read", ours, theirs, "restic check --read-data", 1.5)
