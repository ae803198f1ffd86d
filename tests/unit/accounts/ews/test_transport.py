"""How replies of Exchange come over the line."""

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from archiver.accounts.ews.transport import Adapter


def test_a_reply_is_not_handed_on_byte_by_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"<?xml version='1.0'?><Envelope>" + bytes(range(65, 91)) * 10_000 + b"</Envelope>"

    def answered(*_: object, **__: object) -> Response:
        reply = Response()
        reply.status_code, reply._content = 200, whole
        return reply

    request = PreparedRequest()
    request.prepare("POST", "https://mail.example.org/")
    monkeypatch.setattr(HTTPAdapter, "send", answered)
    pieces = list(Adapter(None).send(request).iter_content())
    assert b"".join(pieces) == whole
    assert len(pieces) < 20
