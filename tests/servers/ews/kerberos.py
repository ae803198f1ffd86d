"""The log-in by Kerberos, as IIS has it: a ticket with each request, and a proof with each reply (RFC 4559)."""

import base64
import binascii
from pathlib import Path
from typing import Any

from tests.require import require_gssapi
from tests.servers.ews.ntlm import bindings_of

_CHANNEL_BOUND = 0x800  # GSS_C_CHANNEL_BOUND_FLAG


class Acceptor:
    """Takes tickets for the service whose key is in a keytab; over TLS, those alone that are bound to it."""

    def __init__(self, keytab: Path) -> None:
        self._gssapi: Any = require_gssapi()
        self.read_by(keytab)
        self.bindings: bytes | None = None
        self.taken: list[str] = []
        """Whose tickets were taken, in their order."""
        self.asked = 0
        """How many requests came without a ticket that is good."""
        self.explains = False
        """Whether it says by a token of Kerberos why it refuses a ticket."""
        self.forgets = 0
        """How many tickets it will refuse though they are good, and ask for others."""
        self.offers = "Negotiate, NTLM"
        self.proof: str | None = None
        """What to say in the place of a proof; nothing where it is empty."""

    def read_by(self, keytab: Path) -> None:
        """Take the key from another keytab."""
        self._key = self._gssapi.Credentials(usage="accept", store={"keytab": str(keytab)})

    def bind(self, ca_file: Path | None) -> None:
        """Ask for log-ins that are bound to the server's certificate (Extended Protection: required)."""
        self.bindings = bindings_of(ca_file).application_data if ca_file is not None else None

    def judge(self, header: str | None) -> tuple[str | None, dict[str, str]]:
        """Give the user of a request, None if it is nobody's, and the header of the reply."""
        kind, _, value = (header or "").partition(" ")
        refusal = {"WWW-Authenticate": self.offers} if self.offers else {}
        self.forgets -= 1
        if kind != "Negotiate" or self.forgets >= 0:
            self.asked += 1
            return None, refusal
        bound = self._gssapi.raw.ChannelBindings(application_data=self.bindings) if self.bindings else None
        context = self._gssapi.SecurityContext(usage="accept", creds=self._key, channel_bindings=bound)
        context.__DEFER_STEP_ERRORS__ = False
        try:
            proof = context.step(base64.b64decode(value))
        except (self._gssapi.exceptions.GSSError, binascii.Error) as error:
            self.asked += 1
            token = getattr(error, "token", None) if self.explains else None
            why = {"WWW-Authenticate": f"Negotiate {base64.b64encode(token).decode()}"} if token else refusal
            return None, why
        if self.bindings is not None and not int(context.actual_flags) & _CHANNEL_BOUND:
            self.asked += 1
            return None, refusal
        user = str(context.initiator_name).casefold()
        self.taken.append(user)
        word = base64.b64encode(proof or b"").decode() if self.proof is None else self.proof
        return user, {"WWW-Authenticate": f"Negotiate {word}"} if word else {}
