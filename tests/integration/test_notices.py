"""Notices go out on each way, again where one fails, and tell no secret."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from archiver.errors import ArchiverError
from archiver.events import Notice
from archiver.model import Secret
from archiver.notices import channels, herald
from archiver.notices.channels import Command, Mail, NotSent, Ping, TextFile, Webhook
from archiver.notices.herald import Channel, Herald
from archiver.plan.notify import Occasion
from tests.servers.certificate import make_certificate
from tests.servers.listener import Listener
from tests.servers.smtp import Smtp

BEGAN = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
PASSWORD = "hunter2 of the mail server"
ANN = ("ann@example.org", ("ann@example.org", "bob@example.org"))


Outcome = Literal["ok", "warning", "failure"]
ENDINGS: dict[Outcome, tuple[str, int]] = {
    "ok": ("ok", 0),
    "warning": ("incomplete", 3),
    "failure": ("login-refused", 21),
}


def notice(
    outcome: Outcome = "failure", *, command: str = "pull", accounts: tuple[str, ...] = (), code: str = ""
) -> Notice:
    usual, exit_code = ENDINGS[outcome]
    text, hint = 'account "work": the login was refused', "check the password"
    ended = BEGAN + timedelta(seconds=90)
    return Notice(command, accounts, outcome, code or usual, exit_code, text, hint, "box", BEGAN, ended)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herald, "PAUSES_S", (0.0, 0.0))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    made = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(*made)
    return made


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as running:
        yield running


def nobody() -> int:
    """Give a port at which nobody listens."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
        return port


# --- mail -------------------------------------------------------------------------------------------------


def test_a_mail_says_how_the_run_ended() -> None:
    with Smtp() as server:
        Mail(("localhost", server.port, "plaintext"), None, None, *ANN).send(notice())
        (mail,) = server.mails
    assert mail["Subject"] == "archiver pull on box: failed (login-refused)"
    assert (mail["From"], mail["To"]) == ("ann@example.org", "ann@example.org, bob@example.org")
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content().replace("\r\n", "\n")
    assert 'account "work": the login was refused\nhint: check the password\n' in text
    assert "exit code: 21" in text


@pytest.mark.parametrize("starttls", [False, True])
def test_a_mail_goes_in_tls_and_after_a_login(certificate: tuple[Path, Path], starttls: bool) -> None:
    with Smtp(login=("ann", PASSWORD), certificate=certificate, starttls=starttls) as server:
        security = "starttls" if starttls else "tls"
        login = "ann", lambda: Secret(PASSWORD)
        Mail(("localhost", server.port, security), certificate[0], login, *ANN).send(notice())
        assert len(server.mails) == 1
        assert server.in_tls


def test_a_server_that_is_not_trusted_gets_no_password(certificate: tuple[Path, Path]) -> None:
    with Smtp(login=("ann", PASSWORD), certificate=certificate) as server:
        login = "ann", lambda: Secret(PASSWORD)
        with pytest.raises(NotSent, match="certificate is not trusted"):
            Mail(("localhost", server.port, "tls"), None, login, *ANN).send(notice())
        assert server.logins == []


def test_a_server_without_starttls_gets_no_password_in_the_clear() -> None:
    with Smtp(login=("ann", PASSWORD)) as server:
        login = "ann", lambda: Secret(PASSWORD)
        with pytest.raises(NotSent):
            Mail(("localhost", server.port, "starttls"), None, login, *ANN).send(notice())
        assert (server.logins, server.mails) == ([], [])


def test_a_server_that_repeats_the_password_does_not_make_us_repeat_it() -> None:
    with Smtp(login=("ann", "another")) as server:
        login = "ann", lambda: Secret(PASSWORD)
        with pytest.raises(NotSent) as caught:
            Mail(("localhost", server.port, "plaintext"), None, login, *ANN).send(notice())
        assert server.logins[0] == ("ann", PASSWORD)
    assert caught.value.text == '"localhost" refused it with code 535'


# --- a command, a webhook, a ping, a file ----------------------------------------------------------------


def test_a_command_gets_the_text_and_the_outcome(tmp_path: Path) -> None:
    Command(
        f'cd "{tmp_path}"; cat > said; echo "$ARCHIVER_OUTCOME $ARCHIVER_CODE $ARCHIVER_EXIT" > how'
    ).send(notice())
    assert (tmp_path / "said").read_text().startswith("archiver pull on box: failed (login-refused)\n")
    assert (tmp_path / "how").read_text() == "failure login-refused 21\n"


def test_a_command_may_leave_what_it_is_told_unread() -> None:
    Command("exec <&-").send(notice())


def test_a_command_that_fails_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotSent, match="exit code 7"):
        Command("exit 7").send(notice())
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT_S", 0.2)
    with pytest.raises(NotSent, match="longer than"):
        Command("sleep 60 & sleep 60").send(notice())


def test_a_webhook_gets_json(listener: Listener) -> None:
    Webhook(f"{listener.url}/hook?key=1").send(notice("warning", accounts=("work",)))
    ((path, body),) = listener.heard
    said = json.loads(body)
    assert path == "/hook?key=1"
    assert (said["type"], said["outcome"], said["code"], said["exit"]) == (
        "notice",
        "warning",
        "incomplete",
        3,
    )
    assert said["accounts"] == ["work"]
    assert said["text"].startswith("archiver pull work on box: done in part")


def test_a_ping_tells_the_begin_and_the_end_and_no_name(listener: Listener) -> None:
    ping = Ping(f"{listener.url}/uuid/")
    ping.start()
    for outcome in ENDINGS:
        ping.send(notice(outcome, accounts=("secret-name",)))
    assert listener.paths == ["/uuid/start", "/uuid", "/uuid", "/uuid/fail"]
    assert b"".join(body for _, body in listener.heard).find(b"secret-name") == -1


def test_a_run_that_was_stopped_pings_nobody(listener: Listener) -> None:
    Ping(listener.url).send(notice("warning", code="interrupted"))
    assert listener.heard == []


def test_a_failed_request_does_not_tell_the_address() -> None:
    with Listener(refuses=1) as listener, pytest.raises(NotSent) as caught:
        Webhook(f"{listener.url}/T0/B0/very-secret").send(notice())
    assert caught.value.text == '"127.0.0.1" answered with status 503'
    with pytest.raises(NotSent) as caught:
        Webhook(f"http://127.0.0.1:{nobody()}/very-secret").send(notice())
    assert caught.value.text == '"127.0.0.1": connection refused'


def test_the_file_for_prometheus_keeps_the_last_success_and_other_commands(tmp_path: Path) -> None:
    path = tmp_path / "archiver.prom"
    for one in (notice("ok"), notice("ok", command="prune", accounts=("work",)), notice("failure")):
        TextFile(path).send(one)
    lines = path.read_text().splitlines()
    ended = f"{BEGAN.timestamp() + 90:.0f}"
    assert f'archiver_last_success_timestamp_seconds{{command="pull",accounts=""}} {ended}' in lines
    assert 'archiver_last_exit_code{command="pull",accounts=""} 21' in lines
    assert 'archiver_last_exit_code{command="prune",accounts="work"} 0' in lines
    assert 'archiver_last_duration_seconds{command="pull",accounts=""} 90.000' in lines
    assert len([line for line in lines if line.startswith("# TYPE")]) == 4
    assert len(lines) == 8 + 8
    assert [each.name for each in tmp_path.iterdir()] == ["archiver.prom"]
    assert path.stat().st_mode & 0o777 == 0o644


# --- all of them -----------------------------------------------------------------------------------------


class Told:
    """A herald on some ways, and what it warned of."""

    def __init__(self, folder: Path, *ways: Channel, occasion: Occasion = "failure") -> None:
        self.warned: list[str] = []
        self.herald = Herald(occasion, ways, folder / "told.json", self.warned.append)


def test_what_fails_is_tried_again(tmp_path: Path) -> None:
    with Listener(refuses=2) as listener, Smtp(refuses=2) as server:
        told = Told(
            tmp_path, Webhook(listener.url), Mail(("localhost", server.port, "plaintext"), None, None, *ANN)
        )
        told.herald.tell(notice())
        assert (listener.attempts, len(listener.heard)) == (3, 1)
        assert (server.attempts, len(server.mails)) == (3, 1)
    assert told.warned == []


def test_a_way_that_stays_shut_is_warned_of_and_keeps_no_other_from_its_turn(
    tmp_path: Path, listener: Listener
) -> None:
    told = Told(tmp_path, Webhook(f"http://127.0.0.1:{nobody()}/secret"), Webhook(listener.url))
    told.herald.tell(notice())
    assert told.warned == ['warning: no notice by webhook: "127.0.0.1": connection refused']
    assert len(listener.heard) == 1


def test_what_nobody_heard_is_told_by_the_next_run(tmp_path: Path) -> None:
    with Listener(refuses=3) as listener:
        told = Told(tmp_path, Webhook(listener.url))
        for _ in range(3):
            told.herald.tell(notice())
        assert (tmp_path / "told.json").stat().st_mode & 0o777 == 0o600
        assert len(listener.heard) == 1  # the first night's failed, the third had been told


def test_each_command_has_a_trouble_of_its_own(tmp_path: Path, listener: Listener) -> None:
    told = Told(tmp_path, Webhook(listener.url))
    told.herald.tell(notice())
    told.herald.tell(notice(command="verify"))
    told.herald.tell(notice("ok", command="verify"))
    told.herald.tell(notice())
    said = [json.loads(body) for _, body in listener.heard]
    assert [(one["command"], one["outcome"]) for one in said] == [
        ("pull", "failure"),
        ("verify", "failure"),
        ("verify", "ok"),
    ]


def test_a_ping_comes_each_night_whatever_else_is_sent(tmp_path: Path, listener: Listener) -> None:
    told = Told(tmp_path, Ping(f"{listener.url}/p"), Webhook(f"{listener.url}/w"))
    for one in (notice("ok"), notice(), notice(), notice("ok"), notice("ok")):
        told.herald.begin()
        told.herald.tell(one)
    ends = [path for path in listener.paths if path != "/p/start"]
    assert ends == ["/p", "/p/fail", "/w", "/p/fail", "/p", "/w", "/p"]
    assert listener.paths.count("/p/start") == 5


@pytest.mark.parametrize("content", [b"", b"{", b'{"pull": 3}', b"\xff"])
def test_a_damaged_memory_tells_once_more(tmp_path: Path, listener: Listener, content: bytes) -> None:
    (tmp_path / "told.json").write_bytes(content)
    told = Told(tmp_path, Webhook(listener.url))
    told.herald.tell(notice())
    told.herald.tell(notice())
    assert len(listener.heard) == 1


def test_no_failure_of_a_way_gets_out(tmp_path: Path) -> None:
    def locked() -> Secret:
        raise ArchiverError("there is no password")

    with Smtp(login=("ann", PASSWORD)) as server:
        mail = Mail(("localhost", server.port, "plaintext"), None, ("ann", locked), *ANN)
        told = Told(
            tmp_path / "missing",
            mail,
            TextFile(tmp_path / "nowhere" / "x.prom"),
            Mail(("localhost", server.port, "tls"), tmp_path / "no.pem", None, *ANN),
            Command("true"),
        )
        told.herald.tell(notice())
    assert [each.split(":")[1] for each in told.warned] == [
        " no notice by mail",
        " no notice by prometheus-file",
        " no notice by mail",
        " what was told cannot be kept",
    ]
