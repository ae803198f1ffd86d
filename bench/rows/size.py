"""How large an archive is."""

from collections.abc import Iterator

from bench.programs import Borg
from bench.setting import Setting
from bench.table import Row, mib


def size(setting: Setting) -> Iterator[Row]:
    """Compare with borg, which holds the same mail as a Maildir; once, since it does not vary."""
    user = setting.fill("corpus")
    borg = Borg(setting.work / "borg")
    borg.backup(setting.corpus)
    theirs = borg.size()
    for long, at_most in ((False, 0.97), (True, 0.85)):
        archiver = setting.archiver("size-long" if long else "size", user, long=long)
        used = archiver.first_pull()
        ratio = archiver.size() / theirs
        what = "size of an archive made with --long" if long else "size of an archive"
        yield Row(
            *(f"{what} (pulled in {used.wall_s:.1f} s)", mib(archiver.size()), f"borg zstd,3 {mib(theirs)}"),
            *(f"{ratio:.3f}", f"{at_most:g}", ratio <= at_most),
        )
