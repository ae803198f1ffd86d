"""archiver doctor: each check as it is where all is well, and turned to fail."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import CommandLine, Done
from tests.servers.dovecot import Dovecot
from tests.servers.imap_double import ImapDouble
from tests.servers.pop3_double import Pop3Double

WELL = [
    "configuration",
    "configuration rights",
    "state rights",
    "cache rights",
    "schedule",
    "archive",
    "space",
    "root",
    "writer",
    "store",
    "pins",
    "catalog",
    "clock",
    "owner-key",
    "last-run",
    "name",
    "connect",
    "tls",
    "login",
    "ability",
    "ability",
    "folders",
]


def checks(done: Done) -> list[dict[str, Any]]:
    """Give the checks that were told; the counts beside them must be right, and a remedy with each that is not well."""
    found = done.lines[0]
    told: list[dict[str, Any]] = found["checks"]
    assert found["type"] == "doctor"
    assert found["failed"] == sum(check["state"] == "fail" for check in told)
    assert found["warned"] == sum(check["state"] == "warn" for check in told)
    assert all(check["hint"] for check in told if check["state"] != "ok")
    return told


def names(done: Done) -> list[str]:
    return [check["name"] for check in checks(done)]


def state_of(done: Done, name: str) -> str:
    (found,) = [check["state"] for check in checks(done) if check["name"] == name]
    return str(found)


def fails(done: Done, name: str, code: int) -> dict[str, Any]:
    """Hold that one check failed, and that the command ends with the exit code of its kind."""
    (found,) = [check for check in checks(done) if check["state"] == "fail"]
    assert found["name"] == name, found
    assert done.exit == code, done.err
    assert (done.error["code"], done.error["hint"]) == (found["code"], found["hint"])
    assert name in done.error["message"]
    return found


def edit(home: CommandLine, before: str, after: str) -> None:
    text = home.config.read_text()
    assert before in text
    home.config.write_text(text.replace(before, after))


def add_to(home: CommandLine, account: str, **keys: object) -> None:
    """Set keys of an account."""
    lines = "".join(f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in keys.items())
    edit(home, f"[account.{account}]\n", f"[account.{account}]\n{lines}")


def state_of_archive(home: CommandLine) -> Path:
    (found,) = [path.parent for path in (home.home / "state").glob("archiver/*/writer.key")]
    return found


def chain_of(home: CommandLine) -> Path:
    (found,) = (home.home / "mail" / "chains").iterdir()
    return found


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- where all is well ------------------------------------------------------------------------------------


def test_where_all_is_well_every_check_is_told_and_the_archive_is_as_before(pulled: CommandLine) -> None:
    before = files(pulled.home / "mail")
    done = pulled("doctor", "--json")
    assert done.exit == 0, done.err
    assert names(done) == WELL
    schedule, tls = [check for check in checks(done) if check["state"] != "ok"]
    assert (schedule["name"], schedule["hint"]) == ("schedule", "archiver schedule install")
    assert (tls["name"], tls["state"]) == ("tls", "warn")  # the certificate of the tests is good for a day
    assert "day" in tls["text"]
    assert files(pulled.home / "mail") == before


def test_people_get_a_table_with_remedies_and_a_count(pulled: CommandLine) -> None:
    pulled.environment.pop("ARCHIVER_PASSPHRASE_COMMAND")
    done = pulled("doctor")
    assert done.exit == 0, done.err
    lines = done.text.splitlines()
    assert len([line for line in lines if line.startswith(("ok ", "warn "))]) == len(WELL)
    assert [line.strip() for line in lines if "hint: " in line] == [
        "hint: archiver schedule install",
        "hint: whoever runs the server has to renew it",
    ]
    assert done.err == "22 checks: 0 failed, 2 warnings\n"
    assert pulled("doctor", "-q") == Done(0, b"", "")


def test_before_the_first_pull_all_is_well_too(home: CommandLine, ann: str) -> None:
    done = home("doctor", "--json")
    assert done.exit == 0, done.err
    assert names(done) == [name for name in WELL if name not in ("pins", "catalog")]
    assert not (home.home / "mail" / "chains").exists()


def test_a_name_is_that_of_an_account_or_of_an_archive(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    write_account(pulled, server, "bob", mailboxes.new())
    everything = pulled("doctor", "--json")
    assert {check["about"] for check in checks(everything)} == {"this machine", "mail", "ann", "bob"}
    assert {check["about"] for check in checks(pulled("doctor", "bob", "--json"))} == {
        "this machine",
        "mail",
        "bob",
    }
    assert checks(pulled("doctor", "mail", "--json"))[:10] == checks(everything)[:10]
    done = pulled("doctor", "an", "--json")
    assert done.exit == 2
    assert 'did you mean "ann"?' in done.error["message"]


def test_one_account_that_fails_keeps_no_other_from_its_turn(
    pulled: CommandLine, server: Dovecot, mailboxes: Mailboxes
) -> None:
    add_to(pulled, "ann", timeout_s=5)
    edit(pulled, f"port = {server.imaps}", "port = 1")
    write_account(pulled, server, "bob", mailboxes.new())
    done = pulled("doctor", "--json")
    fails(done, "connect", 20)
    assert [check["state"] for check in checks(done) if check["about"] == "bob"][-1] == "ok"


# --- this machine -----------------------------------------------------------------------------------------


def test_without_a_configuration_the_remedy_is_told(empty_home: CommandLine) -> None:
    done = empty_home("doctor", "--json")
    assert done.exit == 0
    assert state_of(done, "configuration") == "warn"
    assert "archiver init" in checks(done)[0]["hint"]


def test_a_configuration_fails_with_all_of_its_mistakes(pulled: CommandLine) -> None:
    add_to(pulled, "ann", prot=1, timeout_s="x")
    done = pulled("doctor", "--json")
    text = fails(done, "configuration", 14)["text"]
    assert "account.ann.prot" in text
    assert "account.ann.timeout-s" in text
    assert names(done) == WELL[:5], "the rights are looked at all the same"
    assert "account.ann.prot" in pulled("doctor").text


def test_a_configuration_that_everybody_may_write_fails(pulled: CommandLine) -> None:
    pulled.config.chmod(0o666)
    fails(pulled("doctor", "--json"), "configuration rights", 14)
    pulled.config.chmod(0o664)
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "configuration rights")) == (0, "warn")


@pytest.mark.parametrize("kind", ["state", "cache"])
def test_a_folder_of_archiver_that_others_may_enter_fails(pulled: CommandLine, kind: str) -> None:
    folder = pulled.home / kind / "archiver"
    folder.chmod(0o755)
    found = fails(pulled("doctor", "--json"), f"{kind} rights", 14)
    assert subprocess.run(found["hint"], shell=True, check=True).returncode == 0
    assert pulled("doctor", "--json").exit == 0


def test_a_cache_folder_that_cannot_be_made_fails(pulled: CommandLine) -> None:
    shutil.rmtree(pulled.home / "cache")
    (pulled.home / "cache").write_text("in the way")
    done = pulled("doctor", "--json")
    assert state_of(done, "cache rights") == "fail"
    assert state_of(done, "catalog") == "fail"
    assert done.exit == 1
    assert state_of(done, "folders") == "ok", "the rest is looked at"


def test_a_state_folder_that_cannot_be_made_fails(pulled: CommandLine) -> None:
    add_to(pulled, "ann", daily_download_limit="1MB")
    shutil.rmtree(pulled.home / "state")
    (pulled.home / "state").write_text("in the way")
    done = pulled("doctor", "--json")
    assert done.exit == 1
    failed = [check["name"] for check in checks(done) if check["state"] == "fail"]
    assert failed == ["state rights", "root", "last-run", "limit"]


# --- the schedule -----------------------------------------------------------------------------------------


@pytest.fixture
def scheduled(pulled: CommandLine) -> CommandLine:
    """Give a home whose pulls systemd has taken, and is going to start."""
    systemctl(pulled, "echo Thu 02:41")
    assert pulled("schedule", "install", "--with", "systemd").exit == 0
    return pulled


def systemctl(home: CommandLine, show: str) -> None:
    path = home.home / "bin" / "systemctl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\ncase "$2" in show) {show};; esac\n')
    path.chmod(0o755)
    home.environment["PATH"] = f"{path.parent}:{os.environ['PATH']}"


def unit(home: CommandLine, name: str) -> Path:
    return home.home / "config" / "systemd" / "user" / name


def days_ago(home: CommandLine, days: int) -> None:
    """Have all that was installed, and all reports, be as old."""
    then = datetime.now(UTC) - timedelta(days=days)
    for path in unit(home, ".").iterdir():
        os.utime(path, (then.timestamp(), then.timestamp()))
    for path in (home.home / "state" / "archiver" / "reports").iterdir():
        told = json.loads(path.read_text())
        told["began"] = told["ended"] = then.isoformat()
        path.write_text(json.dumps(told))


def test_a_schedule_that_runs_is_well(scheduled: CommandLine) -> None:
    done = scheduled("doctor", "--json")
    (found,) = [check for check in checks(done) if check["name"] == "schedule"]
    assert (done.exit, found["state"]) == (0, "ok")
    assert "daily 02:30" in found["text"]
    assert "archiver-pull.timer" in found["text"]
    days_ago(scheduled, 1)
    assert state_of(scheduled("doctor", "--json"), "schedule") == "ok", "a night without power is no failure"


def test_a_schedule_that_has_not_run_yet_is_doubted_and_fails_when_it_never_does(
    scheduled: CommandLine,
) -> None:
    scheduled("pull", "ann", "-q")  # by hand, and not of all accounts
    for path in (scheduled.home / "state" / "archiver" / "reports").iterdir():
        if not json.loads(path.read_text())["accounts"]:
            path.unlink()
    done = scheduled("doctor", "--json")
    assert (done.exit, state_of(done, "schedule")) == (0, "warn")
    days_ago(scheduled, 3)
    assert "no pull ever" in fails(scheduled("doctor", "--json"), "schedule", 1)["text"]


def test_a_schedule_that_ran_long_ago_fails(scheduled: CommandLine) -> None:
    days_ago(scheduled, 3)
    found = fails(scheduled("doctor", "--json"), "schedule", 1)
    assert "the last pull of all accounts on" in found["text"]
    assert scheduled("pull", "-q").exit == 0
    assert state_of(scheduled("doctor", "--json"), "schedule") == "ok"


def test_a_schedule_that_starts_what_is_not_there_fails(scheduled: CommandLine) -> None:
    path = unit(scheduled, "archiver-pull.service")
    path.write_text(path.read_text().replace("ExecStart=", "ExecStart=/gone"))
    assert "which is not there" in fails(scheduled("doctor", "--json"), "schedule", 14)["text"]
    path.unlink()
    assert 'starts "nothing"' in fails(scheduled("doctor", "--json"), "schedule", 14)["text"]


@pytest.mark.parametrize("show", ["true", "exit 1"])
def test_a_timer_that_systemd_does_not_start_fails(scheduled: CommandLine, show: str) -> None:
    systemctl(scheduled, show)
    assert "does not start it" in fails(scheduled("doctor", "--json"), "schedule", 14)["text"]


def test_the_schedule_of_cron_is_looked_at_too(pulled: CommandLine) -> None:
    systemctl(pulled, "true")
    table = pulled.home / "table"
    crontab = pulled.home / "bin" / "crontab"
    crontab.write_text(f'#!/bin/sh\ncase "$1" in -l) cat "{table}";; -) cat > "{table}";; esac\n')
    crontab.chmod(0o755)
    table.touch()
    assert pulled("schedule", "install", "--with", "cron").exit == 0
    assert state_of(pulled("doctor", "--json"), "schedule") == "ok"
    table.write_text(table.read_text().replace(sys.executable, "/gone/python"))
    assert '"/gone/python"' in fails(pulled("doctor", "--json"), "schedule", 14)["text"]


# --- an archive -------------------------------------------------------------------------------------------


def test_an_archive_that_is_not_there_fails(pulled: CommandLine) -> None:
    (pulled.home / "mail").rename(pulled.home / "elsewhere")
    done = pulled("doctor", "--json")
    assert "mounted" in fails(done, "archive", 10)["hint"]
    assert "root" not in names(done)
    assert not (pulled.home / "mail").exists(), "nothing is written where a disk should be"


def test_a_root_that_was_exchanged_fails(pulled: CommandLine) -> None:
    (root,) = (pulled.home / "mail" / "root").iterdir()
    data = bytearray(root.read_bytes())
    data[20] ^= 1
    root.write_bytes(data)
    assert fails(pulled("doctor", "--json"), "root", 13)["code"] == "rolled-back"


def test_a_disk_that_takes_nothing_fails(pulled: CommandLine) -> None:
    typed = f"ulimit -f 0; exec {sys.executable} -m archiver doctor --json"
    ran = subprocess.run(
        ["bash", "-c", typed], cwd=pulled.home, env=pulled.environment, capture_output=True, check=False
    )
    done = Done(ran.returncode, ran.stdout, ran.stderr.decode())
    assert (done.exit, done.error["code"], state_of(done, "store")) == (1, "store-failed", "fail")
    assert "store of mail" in done.error["message"], "it is the first that fails"
    assert names(done) == WELL


def test_a_full_disk_fails_and_one_that_is_nearly_full_is_warned_of(pulled: CommandLine) -> None:
    usage = type(shutil.disk_usage(pulled.home))
    with mock.patch("shutil.disk_usage", lambda path: usage(10**12, 10**12 - 10**6, 10**6)):
        assert fails(pulled("doctor", "--json"), "space", 1)["code"] == "disk-full"
    with mock.patch("shutil.disk_usage", lambda path: usage(10**12, 9 * 10**11, 10**11)):
        done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "space")) == (0, "warn")


def test_a_machine_that_may_not_write_fails(pulled: CommandLine) -> None:
    (state_of_archive(pulled) / "writer.key").unlink()
    assert "writer add" in fails(pulled("doctor", "--json"), "writer", 24)["hint"]


def test_an_archive_that_was_rolled_back_fails(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    mailboxes.deliver(ann, mail("new"))
    assert pulled("pull", "-q").exit == 0
    (chain_of(pulled) / "manifests" / "00000002.manifest").unlink()
    done = pulled("doctor", "--json")
    assert fails(done, "pins", 13)["code"] == "rolled-back"
    assert "catalog" not in names(done)


def test_chains_that_cannot_be_listed_fail(pulled: CommandLine) -> None:
    shutil.rmtree(pulled.home / "mail" / "chains")
    (pulled.home / "mail" / "chains").write_text("in the way")
    fails(pulled("doctor", "--json"), "pins", 1)


def test_the_chain_of_another_machine_is_checked_as_far_as_that_goes(
    pulled: CommandLine, make_home: Callable[..., CommandLine]
) -> None:
    other = make_home()
    other.config.write_text(other.config.read_text().replace(str(other.home), str(pulled.home)))
    shutil.rmtree(other.home / "state")
    done = other("doctor", "--json")
    fails(done, "writer", 24)
    assert "of another machine" in str(checks(done))
    assert "catalog" not in names(done)


def test_a_catalog_that_cannot_be_opened_fails_and_one_that_is_made_anew_is_warned_of(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    (path,) = (pulled.home / "cache").rglob("*.sqlite")
    old = path.read_bytes()
    mailboxes.deliver(ann, mail("new"))
    assert pulled("pull", "-q").exit == 0
    path.write_bytes(old)
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "catalog")) == (0, "warn")
    assert "at run 1 of 2" in str(checks(done))
    path.write_bytes(b"not a database at all" * 400)
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "catalog")) == (0, "warn")
    assert path.read_bytes().startswith(b"not a database"), "doctor changes nothing"
    path.unlink()
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "catalog")) == (0, "warn")
    path.mkdir()
    fails(pulled("doctor", "--json"), "catalog", 1)


def test_a_clock_before_the_last_run_fails(pulled: CommandLine) -> None:
    with mock.patch("archiver.wiring.now", lambda: datetime.now(UTC) - timedelta(hours=1)):
        assert "set the clock" in fails(pulled("doctor", "--json"), "clock", 1)["hint"]


def test_a_clock_that_is_days_behind_the_server_is_warned_of(home: CommandLine, ann: str) -> None:
    with mock.patch("archiver.wiring.now", lambda: datetime.now(UTC) - timedelta(days=2)):
        assert home("pull", "-q").exit == 0
        done = home("doctor", "--json")
    assert (done.exit, state_of(done, "clock")) == (0, "warn")
    assert "a message was received at" in str(checks(done))


def test_the_owner_key_is_tried_only_where_it_is_asked_for(pulled: CommandLine) -> None:
    def told() -> str:
        (found,) = [check for check in checks(pulled("doctor", "--json")) if check["name"] == "owner-key"]
        return f"{found['state']}: {found['text']}"

    assert "tried today" in told(), "the root was signed with it"
    note = state_of_archive(pulled) / "owner.tried"
    assert not note.exists()
    note.write_text("2020-01-01T00:00:00+00:00\n")
    assert told().startswith("warn: ")
    fails(pulled("doctor", "--key", "--json", "--passphrase-command", "echo wrong"), "owner-key", 12)
    assert told().startswith("warn: ")
    assert pulled("doctor", "--key").exit == 0
    assert "tried today" in told()
    note.write_text("2020-01-01T00:00:00+00:00\n")
    assert pulled("verify", "--read", "-q").exit == 0
    assert "tried today" in told(), "any command that opens it counts"
    note.write_text("no time at all")
    assert "tried today" in told(), "as if there were no note"


def test_a_lost_file_of_the_owner_key_fails(pulled: CommandLine) -> None:
    shutil.rmtree(pulled.home / "mail" / "keys")
    fails(pulled("doctor", "--key", "--json"), "owner-key", 13)


# --- an account -------------------------------------------------------------------------------------------


def test_a_name_that_nobody_knows_fails(pulled: CommandLine) -> None:
    edit(pulled, 'host = "localhost"', f'host = "{"x" * 64}.invalid"')  # too long to be asked for
    done = pulled("doctor", "--json")
    fails(done, "name", 20)
    assert names(done)[-1] == "name", "the steps that rest on it are left out"


def test_a_server_that_does_not_answer_fails(pulled: CommandLine, server: Dovecot) -> None:
    edit(pulled, f"port = {server.imaps}", "port = 1")
    done = pulled("doctor", "--json")
    fails(done, "connect", 20)
    assert names(done)[-1] == "connect"


def test_a_certificate_that_is_not_trusted_fails(pulled: CommandLine, server: Dovecot) -> None:
    edit(pulled, f'ca-file = "{server.ca_file}"\n', "")
    done = pulled("doctor", "--json")
    assert fails(done, "tls", 20)["code"] == "untrusted-certificate"
    assert names(done)[-1] == "tls", "no password is sent"


def test_starttls_is_checked_as_tls_is_and_a_line_in_the_clear_is_warned_of(
    pulled: CommandLine, server: Dovecot
) -> None:
    edit(pulled, f"port = {server.imaps}", f"port = {server.imap}\nstarttls = true")
    done = pulled("doctor", "--json")
    assert done.exit == 0
    assert "the certificate" in str(checks(done))
    edit(pulled, "starttls = true", "insecure-plaintext = true")
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "tls")) == (0, "warn")
    assert "others can read the password" in str(checks(done))
    assert done.err == ""


def test_a_refused_login_fails(pulled: CommandLine, server: Dovecot) -> None:
    edit(pulled, f"echo {server.password}", "echo wrong")
    done = pulled("doctor", "--json")
    fails(done, "login", 21)
    assert names(done)[-1] == "login"
    assert "wrong" not in done.text.replace("wrong password", "")


def test_no_password_and_nobody_to_ask_fails(pulled: CommandLine, server: Dovecot) -> None:
    edit(pulled, f'password-command = "echo {server.password}"\n', "")
    fails(pulled("doctor", "--json"), "login", 14)


def test_a_password_file_that_everybody_may_read_fails(pulled: CommandLine, server: Dovecot) -> None:
    file = pulled.home / "password"
    file.write_text(server.password)
    file.chmod(0o600)
    edit(pulled, f'password-command = "echo {server.password}"', f'password-file = "{file}"')
    assert state_of(pulled("doctor", "--json"), "password file") == "ok"
    file.chmod(0o640)
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "password file")) == (0, "warn")
    file.chmod(0o604)
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "password file"), state_of(done, "login")) == (14, "fail", "fail")
    file.unlink()
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "password file")) == (1, "fail")


def write_odd(home: CommandLine, kind: str, port: int) -> None:
    with home.config.open("a") as config:
        config.write(
            f'\n[account.odd]\narchive = "mail"\nkind = "{kind}"\nhost = "127.0.0.1"\nport = {port}\n'
            'user = "ann"\ninsecure-plaintext = true\npassword-command = "echo x"\n'
        )


def test_a_refused_login_by_pop3_fails(home: CommandLine) -> None:
    with Pop3Double() as double:
        write_odd(home, "pop3", double.port)
        done = home("doctor", "odd", "--json")
        assert (done.exit, names(done)[-2:]) == (0, ["login", "folders"])
        double.answers = [(rb"(AUTH|PASS) ", b"-ERR [AUTH] no\r\n")]
        done = home("doctor", "odd", "--json")
    fails(done, "login", 21)
    assert names(done)[-1] == "login"


def test_a_server_that_lists_no_folders_fails(home: CommandLine) -> None:
    with ImapDouble(answers=[(rb"LIST", b"%t NO out of order\r\n")]) as double:
        write_odd(home, "imap", double.port)
        done = home("doctor", "odd", "--json")
    assert "out of order" in fails(done, "folders", done.exit)["text"]
    assert done.exit in (3, 20, 22)


def test_a_daily_limit_that_is_used_up_is_warned_of(pulled: CommandLine) -> None:
    add_to(pulled, "ann", daily_download_limit="1MB")
    assert state_of(pulled("doctor", "--json"), "limit") == "ok"
    folder = pulled.home / "state" / "archiver" / "downloads"
    folder.mkdir(exist_ok=True)
    (folder / "ann.json").write_text(json.dumps({str(int(datetime.now(UTC).timestamp() // 3600)): 2_000_000}))
    done = pulled("doctor", "--json")
    assert (done.exit, state_of(done, "limit")) == (0, "warn")


def test_a_sign_in_that_nobody_has_made_fails(pulled: CommandLine, server: Dovecot) -> None:
    edit(pulled, f'password-command = "echo {server.password}"\n', "")
    with pulled.config.open("a") as config:
        config.write('\n[account.ann.oauth]\nprovider = "google"\nclient-id = "x"\n')
    done = pulled("doctor", "--json")
    assert "archiver account login ann" in fails(done, "sign-in", 14)["hint"]
    assert "login" not in names(done)


def test_files_that_are_gone_fail(home: CommandLine, make_home: Callable[..., CommandLine]) -> None:
    folder = home.home / "Maildir"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "1").write_bytes(mail("one"))
    with home.config.open("a") as config:
        config.write(f'\n[account.disk]\narchive = "mail"\nkind = "files"\npath = "{folder}"\n')
    done = home("doctor", "--json")
    assert (done.exit, state_of(done, "folders")) == (0, "ok"), done.err
    shutil.rmtree(folder)
    done = home("doctor", "--json")
    fails(done, "folders", done.exit)


# --- what it leaves ---------------------------------------------------------------------------------------


def test_what_a_doctor_that_was_killed_leaves_is_removed_by_repair(pulled: CommandLine) -> None:
    before = files(pulled.home / "mail")
    left = chain_of(pulled) / "indexes" / "00000000-0123abcd.index.zst.age"
    left.write_bytes(b"x")
    left.with_name(f".{left.name}.0123abcd.tmp").write_bytes(b"x")
    assert pulled("verify").exit == 0
    assert pulled("repair", "--yes").exit == 0
    assert files(pulled.home / "mail") == before
