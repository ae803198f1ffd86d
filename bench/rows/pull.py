"""A first pull of the whole corpus: sealed, durable, read back and checked, beside plain files."""

from collections.abc import Iterator

from bench.measure import in_turns
from bench.setting import Setting
from bench.table import Row, compared


def pull(setting: Setting) -> Iterator[Row]:
    """Compare with mbsync as it comes, and with mbsync that leaves durability to luck."""
    user = setting.fill("corpus")
    archiver = setting.archiver("pull", user)
    durable = setting.mbsync("pull-mbsync", user)
    hasty = setting.mbsync("pull-mbsync-hasty", user, durable=False)
    ours, sure, quick = in_turns(setting.rounds, archiver.first_pull, durable.first_pull, hasty.first_pull)
    what = f"pull of {setting.messages:,} messages"
    yield compared(f"{what}, durable", ours, sure, "mbsync", 0.35)
    yield compared(f"{what}; mbsync without fsync", ours, quick, "mbsync `FSync no`", 1.0)
