"""The stream of ExportItems: opaque, with everything of an item in it, and signed so that no changed byte passes."""

import base64
import hashlib
import hmac
import json
import xml.etree.ElementTree as ET
import zlib
from datetime import datetime
from typing import Any

from tests.servers.ews.refusals import Refused
from tests.servers.ews.state import Attachment, Folder, Item, Site

# one for all doubles: what one exported, another takes
_KEY = b"what Exchange keeps to itself"
_FLAGS = ("is_draft", "is_read", "is_associated")
_TIMES = ("created", "received", "sent", "original_start")


def pack(item: Item) -> bytes:
    """Write an item as a stream; as Exchange does, without making it smaller."""
    raw = zlib.compress(json.dumps(_plain(item), sort_keys=True).encode(), level=0)
    return hmac.digest(_KEY, raw, hashlib.sha256) + raw


def unpack(site: Site, folder: Folder, stream: bytes) -> Item:
    """Make an item of a stream, with new ids; it is not in the folder yet. Refuses a stream that was changed."""
    mac, raw = stream[:32], stream[32:]
    if not hmac.compare_digest(mac, hmac.digest(_KEY, raw, hashlib.sha256)):
        raise Refused("ErrorCorruptData", "The data stream is not one that was exported.")
    return _item(site, folder, json.loads(zlib.decompress(raw)))


def _plain(item: Item) -> dict[str, Any]:
    return {
        "element": item.element,
        "item_class": item.item_class,
        "source": None if item.source is None else base64.b64encode(item.source).decode(),
        "fields": {name: ET.tostring(one, "unicode") for name, one in item.fields.items()},
        "properties": {name: ET.tostring(one, "unicode") for name, one in item.properties.items()},
        "attachments": [_plain_attachment(one) for one in item.attachments],
        "occurrences": [_plain(one) for one in item.occurrences],
        "deleted_occurrences": [one.isoformat() for one in item.deleted_occurrences],
        **{name: getattr(item, name) for name in _FLAGS},
        **{name: _written(getattr(item, name)) for name in _TIMES},
    }


def _plain_attachment(one: Attachment) -> dict[str, Any]:
    return {
        "name": one.name,
        "content": base64.b64encode(one.content).decode(),
        "content_type": one.content_type,
        "content_id": one.content_id,
        "is_inline": one.is_inline,
        "is_photo": one.is_photo,
        "item": None if one.item is None else _plain(one.item),
    }


def _item(site: Site, folder: Folder, plain: dict[str, Any]) -> Item:
    made = site.new_item(plain["element"], plain["item_class"], folder)
    made.source = None if plain["source"] is None else base64.b64decode(plain["source"])
    made.fields = {name: ET.fromstring(one) for name, one in plain["fields"].items()}
    made.properties = {name: ET.fromstring(one) for name, one in plain["properties"].items()}
    made.attachments = [_attachment(site, folder, one) for one in plain["attachments"]]
    made.occurrences = [_item(site, folder, one) for one in plain["occurrences"]]
    made.deleted_occurrences = [datetime.fromisoformat(one) for one in plain["deleted_occurrences"]]
    for name in _FLAGS:
        setattr(made, name, plain[name])
    for name in _TIMES:
        setattr(made, name, plain[name] and datetime.fromisoformat(plain[name]))
    return made


def _attachment(site: Site, folder: Folder, plain: dict[str, Any]) -> Attachment:
    made = Attachment(site.identifiers.new("attachment"), plain["name"], base64.b64decode(plain["content"]))
    made.content_type, made.content_id = plain["content_type"], plain["content_id"]
    made.is_inline, made.is_photo = plain["is_inline"], plain["is_photo"]
    made.item = None if plain["item"] is None else _item(site, folder, plain["item"])
    return made


def _written(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
