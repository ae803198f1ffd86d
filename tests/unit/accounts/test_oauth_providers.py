"""The providers that archiver knows, as their documentation has them."""

from archiver.accounts import oauth
from archiver.model import Secret

WHERE = "https://login.microsoftonline.com/common"


def test_microsoft_is_asked_for_the_protocol_that_is_used_alone() -> None:
    imap = oauth.microsoft("id", None, None, "imap", WHERE)
    assert imap.scope == "https://outlook.office.com/IMAP.AccessAsUser.All"
    assert imap.authority == WHERE
    assert imap.idle_s == 90 * 86_400
    pop3 = oauth.microsoft("id", None, None, "pop3", WHERE)
    assert pop3.scope == "https://outlook.office.com/POP.AccessAsUser.All"


def test_google_is_asked_for_a_refresh_token_and_has_no_device_flow() -> None:
    made = oauth.google("id", Secret("s"), None)
    assert made.scope == "https://mail.google.com/"
    assert made.asks == {"access_type": "offline", "prompt": "consent"}
    assert made.device_url is None


def test_scopes_of_the_configuration_replace_those_of_the_provider() -> None:
    assert oauth.microsoft("id", None, "a b", "imap", WHERE).scope == "a b"
    assert oauth.google("id", None, "c").scope == "c"


def test_microsoft_is_asked_for_what_reads_exchange_by_either_way() -> None:
    ews = oauth.microsoft("id", None, None, "ews", WHERE)
    assert ews.scope == "https://outlook.office365.com/EWS.AccessAsUser.All"
    graph = oauth.microsoft("id", None, None, "graph", WHERE).scope.split()
    assert "https://graph.microsoft.com/Mail.Read" in graph
    program = oauth.microsoft("id", None, None, "graph", WHERE, program=True)
    assert program.scope == "https://graph.microsoft.com/.default"
