"""The line to an IMAP server: tags, and responses read whole."""

from archiver.accounts.connection import Line
from archiver.accounts.imap import wire
from archiver.accounts.imap.scanner import WireError

_BUFFER = 256 * 1024
"""Bytes read ahead: large enough that listing lines cost few system calls, small beside a message."""

CHATTER_LIMIT = 1 << 20
"""Longest literal, bytes, in any response but a body: names and headers are far below."""


class Connection(Line):
    """One connection. Raises `Unreachable`, `Untrusted` and, from `read`, `wire.WireError`."""

    _tags = 0

    def begin_reading(self) -> None:
        """See `Line.begin_reading`."""
        self._reader = self.socket.makefile("rb", buffering=_BUFFER)

    def end_reading(self) -> None:
        """See `Line.end_reading`."""
        self._reader.close()

    def tag(self) -> str:
        """Make a tag that no command of this connection has had."""
        self._tags += 1
        return f"a{self._tags}"

    def read(self, literal_limit: int = CHATTER_LIMIT) -> wire.Response:
        """Read one response; the body of a message is read without a copy beyond it."""
        try:
            return wire.read_response(self._reader, literal_limit)
        except wire.Cut as error:
            if error.response and len(error.response) > 1:
                raise  # the literal that broke off says which message it was
            raise self.closed_by_server() from error
        except WireError:
            raise
        except (OSError, ValueError) as error:  # ValueError: read from a line that was closed here
            raise self.lost(error) from error
