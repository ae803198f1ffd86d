"""Send notices: on each way that is set up, again where it fails, and never at the cost of the run."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Protocol

import msgspec

from archiver.errors import ArchiverError
from archiver.events import Notice
from archiver.notices.private_file import alone, write_private
from archiver.plan.notify import REMIND_AFTER_DAYS, Occasion, Trouble, Troubles, news

PAUSES_S = (1.0, 5.0)
_log = logging.getLogger(__name__)


class Channel(Protocol):
    """One way on which notices go; `always` is for those that want to hear of each run."""

    name: ClassVar[str]
    always: ClassVar[bool]

    def send(self, notice: Notice) -> None:
        """Send it. Raises `ArchiverError`."""


class Herald:
    """Sends what is due. `memory` is the file that holds what was told; `warn` hears of what did not go out."""

    def __init__(
        self,
        occasion: Occasion,
        channels: Sequence[Channel],
        memory: Path,
        warn: Callable[[str], None],
        remind: timedelta | None = timedelta(days=REMIND_AFTER_DAYS),
    ) -> None:
        self._occasion = occasion
        self._channels = channels
        self._memory = memory
        self._warn = warn
        self._remind = remind

    def begin(self) -> None:
        """Tell the ways that want it that a run begins. Never raises."""
        for channel in self._channels:
            start = getattr(channel, "start", None)
            if start is not None:
                self._try(channel.name, start, ())

    def tell(self, notice: Notice) -> None:
        """Tell how a run ended. Never raises."""
        about = " ".join([notice.command, *notice.accounts])
        before = self._told().get(about, {})
        found = news(self._occasion, notice, before, self._remind)
        told = msgspec.structs.replace(notice, over=found.over)
        pauses = () if notice.code == "interrupted" else PAUSES_S
        went = False
        for channel in self._channels:
            if channel.always:
                self._try(channel.name, lambda to=channel: to.send(notice), pauses)  # type: ignore[misc]
            elif found.send:
                went |= self._try(channel.name, lambda to=channel: to.send(told), pauses)  # type: ignore[misc]
        # what nobody heard is told again by the next run
        self._remember(about, before, found.heard if went else found.unheard)

    def _try(self, name: str, send: Callable[[], None], pauses: Sequence[float]) -> bool:
        why = ""
        for pause in (0.0, *pauses):
            time.sleep(pause)
            try:
                send()
            except ArchiverError as error:
                why = error.text
            except Exception as error:  # a notice never fails a run, whatever a library raises
                why = type(error).__name__
            else:
                return True
        self._warn(f"warning: no notice by {name}: {why}")
        return False

    def _told(self) -> dict[str, dict[str, Trouble]]:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=dict[str, dict[str, Trouble]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            _log.debug("what was told is not known: %s", type(error).__name__)
            return {}

    def _remember(self, about: str, before: Troubles, now: Troubles) -> None:
        if now == before:
            return
        try:
            with alone(self._memory):  # what other runs were told stays
                rest = {key: value for key, value in self._told().items() if key != about}
                write_private(self._memory, msgspec.json.encode(rest | ({about: now} if now else {})))
        except OSError as error:
            self._warn(f"warning: what was told cannot be kept: {error.strerror}")
