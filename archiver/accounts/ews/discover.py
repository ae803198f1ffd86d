"""Find the endpoint of a mailbox by Autodiscover (MS-OXWSADISC), once, when an account is added.

exchangelib keeps what it found in a file that it reads by pickle, by default in the folder of temporary files that all
users share: whoever puts a file there first has code run. Here it lies in a folder of its own, for this call alone.
"""

import tempfile
from pathlib import Path

from exchangelib.autodiscover import autodiscover_cache, cache
from exchangelib.autodiscover.discovery import Autodiscovery
from exchangelib.autodiscover.protocol import AutodiscoverProtocol
from exchangelib.errors import AutoDiscoverError

from archiver.accounts.ews import kerberos
from archiver.accounts.ews.refusals import KNOWN, translate, words
from archiver.accounts.ews.transport import Adapter, credentials_of
from archiver.errors import Unreachable
from archiver.model import Secret


def discover(address: str, user: str, secret: Secret | None, ca_file: str | None = None) -> str:
    """Give the URL of Exchange Web Services for a mailbox; without a secret, by a ticket of Kerberos.

    Raises `Unreachable`, `LoginRefused`, `Forbidden`, and `ConfigInvalid` where there is no library for Kerberos.
    """
    if secret is None:
        kerberos.require_library()
    credentials = credentials_of(user, secret)
    storage, adapter = cache.AUTODISCOVER_PERSISTENT_STORAGE, AutodiscoverProtocol.HTTP_ADAPTER_CLS
    asked = AutodiscoverProtocol.get_auth_type
    with tempfile.TemporaryDirectory(prefix="archiver-") as folder:  # for its owner alone
        cache.AUTODISCOVER_PERSISTENT_STORAGE = Path(folder) / "autodiscover"
        AutodiscoverProtocol.HTTP_ADAPTER_CLS = lambda **_: Adapter(ca_file)
        if secret is None:
            AutodiscoverProtocol.get_auth_type = lambda _: kerberos.TRIAL
        try:
            _, protocol = Autodiscovery(email=address, credentials=credentials).discover()
        except AutoDiscoverError as error:
            raise Unreachable(
                f'no server tells where the mailbox "{address}" is: "{words(error)}"',
                "give the address of its Exchange Web Services: url = https://HOST/EWS/Exchange.asmx",
            ) from error
        except KNOWN as error:
            raise translate(error, address) from error
        finally:
            autodiscover_cache.clear()
            cache.AUTODISCOVER_PERSISTENT_STORAGE = storage
            AutodiscoverProtocol.HTTP_ADAPTER_CLS = adapter
            AutodiscoverProtocol.get_auth_type = asked
    return str(protocol.service_endpoint)
