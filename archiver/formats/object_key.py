"""The names that archiver gives to objects, read back (docs/reference/format.md, Keys of objects)."""

import re

_NAMES = (
    r"indexes/(\d{8,})-[0-9a-f]{8}\.index\.zst\.age",
    r"volumes/(\d{8,})-\d{2,}-[0-9a-f]{8}\.mbox\.zst\.age",
    r"maildir/f\d{4,}/cur/\d+\.(\d+)-\d+-[0-9a-f]{8}\.CHAIN:2,[DFPRST]*\.zst\.age",
    r"manifests/(\d{8,})\.manifest",
)


def run_of(chain: str, key: str) -> int | None:
    """Read the number of the run that wrote an object of a chain; None for a name that archiver never gives."""
    prefix = f"chains/{chain}/"
    for name in _NAMES:
        found = re.fullmatch(name.replace("CHAIN", re.escape(chain)), key.removeprefix(prefix), re.ASCII)
        if found and key.startswith(prefix):
            return int(found[1])
    return None
