"""The operations of EWS as archiver needs them: one request each, each result told apart and checked.

exchangelib's services, with three differences: what one item of a batch meets is a value and loses no neighbour;
results are counted and their ids compared with those asked for, since a reply may be another one's; and the flag of a
last page is read in every form that XML Schema allows.
"""

from collections.abc import Sequence
from typing import Any

from exchangelib import services
from exchangelib.errors import MalformedResponseError, ResponseMessageError, SOAPError
from exchangelib.folders import BaseFolder
from exchangelib.items import SAVE_ONLY, SEND_TO_NONE, CalendarItem
from exchangelib.properties import ItemId
from exchangelib.services.common import EWSAccountService, EWSService
from exchangelib.util import ENS, MNS, TNS, create_element

from archiver.accounts.ews.refusals import BareFault, Incomprehensible, UnknownRequest

_LAST = ("true", "1")
_UNKNOWN = ("unknown", "unsupported", "not supported", "not implemented")


class _Faults:
    """Tells a fault that names no code of Exchange from one that does."""

    SERVICE_NAME: str

    @classmethod
    def _raise_soap_errors(cls, fault: Any) -> None:
        try:
            super()._raise_soap_errors(fault)  # type: ignore[misc]
        except SOAPError as error:
            if fault.find(f"detail/{{{ENS}}}ResponseCode") is not None:
                raise
            said = (fault.findtext("faultstring") or "").lower()
            about = any(one in said for one in ("request", "operation", cls.SERVICE_NAME.lower()))
            is_unknown = about and any(one in said for one in _UNKNOWN)
            raise (UnknownRequest if is_unknown else BareFault)(cls.SERVICE_NAME) from error


class _Told(_Faults):
    """Gives what one part of a request met as a value."""

    ERRORS_TO_CATCH_IN_RESPONSE = ResponseMessageError


class SyncFolderItems(_Faults, services.SyncFolderItems):  # type: ignore[misc]
    """One page of changes."""

    def _elem_to_obj(self, elem: Any) -> Any:
        if elem.tag in (f"{{{TNS}}}Create", f"{{{TNS}}}Update"):
            _known(elem[0])
        return super()._elem_to_obj(elem)

    def _get_element_container(self, message: Any, name: Any = None) -> Any:
        state, last = message.find(f"{{{MNS}}}SyncState"), message.find(self.last_in_range_name)
        # a refusal may come without either, which exchangelib cannot read
        container = EWSService._get_element_container(self, message=message, name=name)
        if state is None or last is None or not state.text:
            raise MalformedResponseError("a page of changes without its state")
        self.sync_state = state.text
        self.includes_last_item_in_range = (last.text or "").strip().lower() in _LAST
        return container


class GetItem(_Told, services.GetItem):  # type: ignore[misc]
    """Items, or what each met."""

    def _elem_to_obj(self, elem: Any) -> Any:
        elem = _known(elem)
        fields = [one for one in CalendarItem.FIELDS if one.name in ("start", "end")]
        told = {one.name: one.from_xml(elem=elem, account=self.account) for one in fields}
        item = super()._elem_to_obj(elem)
        if isinstance(item, CalendarItem):
            # of whole days exchangelib makes dates: a day too few where the clock goes forward on the last one, and
            # by the clock of this machine where the server names no zone
            for name, value in told.items():
                setattr(item, name, value)
        return item


class GetAttachment(_Told, services.GetAttachment):  # type: ignore[misc]
    """Attachments with their content, or what each met."""


class UploadItems(_Told, services.UploadItems):  # type: ignore[misc]
    """Ids of what was put in, or what each met."""


class CreateItem(_Told, services.CreateItem):  # type: ignore[misc]
    """Ids of what was made, or what each met. Nobody is told of anything."""

    def make(self, made: Sequence[Any], folder: Any) -> list[Any]:
        """Create items in the folder of an id."""
        payload = self.get_payload(made, folder, SAVE_ONLY, SEND_TO_NONE)
        return list(self._elems_to_objs(self._get_elements(payload=payload)))


class UpdateItem(_Told, services.UpdateItem):  # type: ignore[misc]
    """Ids of what was changed, or what each met."""


class DeleteItem(_Told, services.DeleteItem):  # type: ignore[misc]
    """True for what was removed, or what each met."""


class MoveItem(_Told, services.MoveItem):  # type: ignore[misc]
    """New ids of what was moved (True where they are not told), or what each met."""

    def _get_element_container(self, message: Any, name: Any = None) -> Any:
        if message.get("ResponseClass") == "Success" and message.find(name) is None:
            return True
        return super()._get_element_container(message=message, name=name)

    @classmethod
    def _get_elements_in_container(cls, container: Any) -> Any:
        return list(container) or [True]

    def _elem_to_obj(self, elem: Any) -> Any:
        return True if elem is True else super()._elem_to_obj(elem)


class ExportItems(_Told, services.ExportItems):  # type: ignore[misc]
    """(id, base64) of each, or what it met."""

    element_container_name = None

    def _elem_to_obj(self, elem: Any) -> Any:
        identity, data = elem.find(f"{{{MNS}}}ItemId"), elem.find(f"{{{MNS}}}Data")
        if identity is None or data is None:
            raise MalformedResponseError("an export without its id or its data")
        return identity.get("Id"), identity.get("ChangeKey"), data.text or ""


class _Folders(_Told, EWSAccountService):  # type: ignore[misc]
    """A request about folders, written by hand; gives elements."""

    def ask(self, payload: Any) -> list[Any]:
        return list(self._get_elements(payload=payload))


class GetFolder(_Folders):
    """Folders by their ids, or what each met."""

    SERVICE_NAME = "GetFolder"
    element_container_name = f"{{{MNS}}}Folders"


class FindFolder(_Folders):
    """A page of the folders below another: its m:RootFolder. Some servers give none where there are no folders."""

    SERVICE_NAME = "FindFolder"
    element_container_name = f"{{{MNS}}}RootFolder"

    def _get_element_container(self, message: Any, name: Any = None) -> Any:
        if message.get("ResponseClass") == "Success" and message.find(name) is None:
            return create_element("m:RootFolder", attrs={"IncludesLastItemInRange": "true"})
        return super()._get_element_container(message=message, name=name)

    @classmethod
    def _get_elements_in_container(cls, container: Any) -> Any:
        return [container]


class CreateFolder(_Folders):
    """A folder is made."""

    SERVICE_NAME = "CreateFolder"
    element_container_name = f"{{{MNS}}}Folders"


class FindItem(_Folders):
    """A page of the items of a folder: its m:RootFolder."""

    SERVICE_NAME = "FindItem"
    element_container_name = f"{{{MNS}}}RootFolder"

    @classmethod
    def _get_elements_in_container(cls, container: Any) -> Any:
        return [container]


def is_last(root: Any) -> bool:
    """Tell whether an m:RootFolder is that of the last page."""
    return (root.get("IncludesLastItemInRange") or "").strip().lower() in _LAST


def entries(root: Any, name: str) -> list[Any]:
    """Give the children of an m:RootFolder's t:Items or t:Folders."""
    found = root.find(f"{{{TNS}}}{name}")
    return [] if found is None else list(found)


def element(name: str, *children: Any, text: str | None = None, **attributes: str) -> Any:
    """Make an element of a request."""
    made = create_element(name, attrs=attributes)
    made.extend(children)
    if text is not None:
        made.text = text
    return made


def child(parent: Any, name: str) -> str | None:
    """Give the text of a child of the types' namespace."""
    found = parent.find(f"{{{TNS}}}{name}")
    return None if found is None else found.text


def counted(results: Sequence[Any], ids: Sequence[str]) -> dict[str, Any]:
    """Pair results with the ids asked for: id -> what came. Raises where a result is lacking, or is another's."""
    if len(results) != len(ids):
        raise Incomprehensible(f"{len(results)} results for {len(ids)} items")
    for wanted, result in zip(ids, results, strict=True):
        told = _id_of(result)
        if told is not None and told != wanted:
            raise Incomprehensible("a result is that of another item")
    return dict(zip(ids, results, strict=True))


def _id_of(result: Any) -> str | None:
    if isinstance(result, tuple):
        return str(result[0])
    found = getattr(result, "id", None)
    return str(found) if found is not None else None


def handles(ids: Sequence[str], change_keys: Sequence[str | None] = ()) -> list[Any]:
    """Make ItemIds."""
    keys = change_keys or [None] * len(ids)
    return [ItemId(id=one, changekey=key) for one, key in zip(ids, keys, strict=True)]


def _known(elem: Any) -> Any:
    """Have an item of a sort that exchangelib does not know be an item of none."""
    if elem.tag not in BaseFolder.ITEM_MODEL_MAP and elem.tag.startswith(f"{{{TNS}}}"):
        elem.tag = f"{{{TNS}}}Item"
    return elem
