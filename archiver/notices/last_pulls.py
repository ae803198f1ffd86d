"""When each account was last pulled with success on this machine: that nothing was done leaves no trace elsewhere."""

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from archiver.errors import StoreFailed
from archiver.notices.private_file import alone, write_private

_log = logging.getLogger(__name__)


class LastPulls:
    """A file of times by account. Losing it loses a warning, and nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def times(self) -> dict[str, datetime]:
        """Give the time of each account's last pull that ended well; empty where nothing is known."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, datetime])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            _log.debug("the last pulls are not known: %s", type(error).__name__)
            return {}

    def note(self, accounts: Iterable[str], at: datetime) -> None:
        """Keep that a pull of these accounts ended well. Raises `StoreFailed`."""
        try:
            with alone(self._path):
                write_private(self._path, msgspec.json.encode(self.times() | dict.fromkeys(accounts, at)))
        except OSError as error:
            raise StoreFailed(
                f"it cannot be kept when the last pull was: {error.strerror}",
                "check the disk of the state folder",
            ) from error
