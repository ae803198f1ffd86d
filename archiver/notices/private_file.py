"""Write a file that its owner alone may read, whole or not at all."""

import os
from pathlib import Path


def write_private(path: Path, raw: bytes) -> None:
    """Put bytes in the place of what is there, if anything; mode 0600. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)  # of a run that died, and had the same number
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
