"""Fetch the mail of one folder of Exchange: as archiver does it, or with exchangelib alone.

    python -m bench.exchange archiver|plain URL ADDRESS

Nothing is kept, so that the two are compared in what they do on the line.
"""

import sys

import exchangelib
from exchangelib.protocol import FailFast

from archiver.accounts.ews.account import EwsAccount, Wanted
from archiver.accounts.ews.transport import Endpoint
from archiver.model import Message, New, Secret

PASSWORD = "secret"
_BATCH = 500


def archiver(url: str, address: str) -> int:
    """Fetch by archiver's account, without exports."""
    account = EwsAccount(
        Endpoint(url, address, sign_in="basic"), lambda: Secret(PASSWORD), wanted=Wanted(export=False)
    )
    inbox = next(one for one in account.folders() if one.name == "INBOX")
    remotes = [one.remote for one in account.changes(inbox, None, dict) if isinstance(one, New)]
    fetched = 0
    for start in range(0, len(remotes), _BATCH):
        fetched += sum(isinstance(one, Message) for one in account.fetch(remotes[start : start + _BATCH]))
    account.close()
    return fetched


def plain(url: str, address: str) -> int:
    """Fetch by exchangelib's own means: all ids, then their MIME in its chunks."""
    configuration = exchangelib.Configuration(
        service_endpoint=url,
        credentials=exchangelib.Credentials(address, PASSWORD),
        auth_type=exchangelib.BASIC,
        retry_policy=FailFast(),
    )
    access = exchangelib.DELEGATE
    account = exchangelib.Account(address, config=configuration, access_type=access, locale="en_US")
    ids = list(account.inbox.all().values_list("id", "changekey"))
    return sum(bool(one.mime_content) for one in account.fetch(ids, only_fields=["mime_content", "subject"]))


if __name__ == "__main__":
    print({"archiver": archiver, "plain": plain}[sys.argv[1]](*sys.argv[2:]))
