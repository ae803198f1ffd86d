"""Ask about many items at once, and find the one over which a server of another maker fails: by halves."""

from collections.abc import Callable, Sequence
from typing import Any

from archiver.accounts.ews.folders import is_open
from archiver.accounts.ews.properties import paths
from archiver.accounts.ews.refusals import BareFault, Faulted, UnknownRequest
from archiver.accounts.ews.service import Service
from archiver.accounts.ews.wire import GetItem, counted, handles
from archiver.errors import Unreachable

Ask = Callable[[Any, Sequence[str]], dict[str, Any]]
"""Asks about items by their ids, with exchangelib's account: id -> what came."""


def answers(service: Service) -> bool:
    """Tell whether the server answers for the mailbox at all."""
    try:
        return service.run(lambda account: is_open(account, service.endpoint.address))
    except Unreachable:
        return False


def halved(service: Service, ids: Sequence[str], ask: Ask) -> dict[str, Any]:
    """Ask about items by a step that may be done twice: id -> what came, or what the item met.

    Exchange tells what each item meets; servers of other makers may answer all of them with one fault. Then each half
    is asked about, and its halves, until the one is alone. Raises `Unreachable` where the server answers nothing else.
    """

    def once(account: Any) -> dict[str, Any] | BareFault:
        try:
            return ask(account, ids)
        except UnknownRequest:
            raise
        except BareFault as error:
            return error

    found = service.run(once)
    if isinstance(found, BareFault) and len(ids) < 2:
        error = service.refused(found)
        assert isinstance(error, Faulted)
        service.wait(error, 1)  # it may have been a failure of a moment
        found = service.run(once)
        if isinstance(found, BareFault):
            if not answers(service):
                raise error
            return dict.fromkeys(ids, error)
    if not isinstance(found, BareFault):
        return found
    half = len(ids) // 2
    return halved(service, ids[:half], ask) | halved(service, ids[half:], ask)


def get_items(account: Any, ids: Sequence[str], names: tuple[str, ...]) -> dict[str, Any]:
    """Ask for properties of items, by the names that exchangelib has for them: id -> item, or what it met."""
    return counted(list(GetItem(account=account).call(handles(ids), paths(names), "IdOnly")), ids)
