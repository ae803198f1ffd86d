"""archiver schedule: what is printed, written, shown and taken away, and that what is written runs."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PASSPHRASE, Mailboxes, mail, write_account
from tests.command_line import ROOT, CommandLine
from tests.require import require
from tests.servers.dovecot import Dovecot
from tests.systemd_words import words_of

UNITS = ["archiver-pull.service", "archiver-pull.timer", "archiver-verify.service", "archiver-verify.timer"]


def offline(home: CommandLine, extra: str = "") -> None:
    """Write an account that no test of this file logs in to."""
    with home.config.open("a") as file:
        file.write(
            f'\n[account.work]\narchive = "mail"\nkind = "imap"\nhost = "h.invalid"\nuser = "u"\n{extra}\n'
        )


def program(home: CommandLine, name: str, script: str) -> None:
    """Put a program before all others of its name."""
    path = home.home / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    home.environment["PATH"] = f"{path.parent}:{os.environ['PATH']}"


@pytest.fixture
def systemd(home: CommandLine) -> Path:
    """Give the folder of units where a manager takes what it is told; it writes that down in "asked"."""
    offline(home)
    program(
        home, "systemctl", f'echo "$@" >> "{home.home}/asked"; case "$2" in show) echo "Thu 02:41";; esac'
    )
    return home.home / "config" / "systemd" / "user"


@pytest.fixture
def cron(home: CommandLine) -> Path:
    """Give the crontab of a user whose crontab program keeps it in a file."""
    offline(home)
    table = home.home / "table"
    keep = f'case "$1" in -l) cat "{table}" 2>/dev/null || {{ echo "no crontab for u" >&2; exit 1; }};; '
    program(home, "crontab", keep + f'-) cat > "{table}";; esac')
    return table


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- systemd ----------------------------------------------------------------------------------------------


def test_what_is_printed_changes_nothing(empty_home: CommandLine) -> None:
    empty_home.config.parent.mkdir(parents=True)
    empty_home.config.write_text('[archive.mail]\npath = "mail"\n')
    offline(empty_home)
    before = sorted(empty_home.home.rglob("*"))
    for kind in ("systemd", "launchd", "cron"):
        done = empty_home("schedule", "install", "--with", kind, "--print")
        assert (done.exit, done.err) == (0, "")
        assert "Written by archiver schedule: pull, daily 02:30" in done.text
    assert sorted(empty_home.home.rglob("*")) == before


def test_units_are_written_and_their_timers_started(home: CommandLine, systemd: Path) -> None:
    done = home("schedule", "install", "--with", "systemd", "--daily", "3:15")
    assert (done.exit, done.out) == (0, b"")
    assert "pull: daily 03:15\nverify: Sun 05:15\n" in done.err
    assert names(systemd) == UNITS
    asked = (home.home / "asked").read_text().splitlines()
    assert asked == ["--user daemon-reload", "--user enable --now archiver-pull.timer archiver-verify.timer"]


def test_what_is_installed_is_shown_with_its_next_run(home: CommandLine, systemd: Path) -> None:
    assert home("schedule", "show", "--with", "systemd", "--json").document["jobs"] == []
    home("schedule", "install", "--with", "systemd")
    with (systemd / "archiver-pull.service").open("a") as unit:
        unit.write("Nice=19\n")
    jobs = home("schedule", "show", "--with", "systemd", "--json").document["jobs"]
    assert [(job["job"], job["when"], job["next"], job["state"]) for job in jobs] == [
        ("pull", "daily 02:30", None, "changed by hand"),
        ("pull", "daily 02:30", "Thu 02:41", "as written"),
        ("verify", "Sun 04:30", None, "as written"),
        ("verify", "Sun 04:30", "Thu 02:41", "as written"),
    ]
    assert "changed by hand" in home("schedule", "show", "--with", "systemd").text


def test_a_unit_that_was_changed_by_hand_is_neither_overwritten_nor_removed(
    home: CommandLine, systemd: Path
) -> None:
    home("schedule", "install", "--with", "systemd")
    (systemd / "archiver-mine.service").write_text("[Service]\n")
    changed = systemd / "archiver-pull.service"
    text = changed.read_text().replace("Nice=10", "Nice=19")
    changed.write_text(text)
    done = home("schedule", "install", "--with", "systemd", "--daily", "05:00")
    assert done.exit == 3
    assert f'changed by hand: "{changed}"' in done.err
    assert changed.read_text() == text
    assert "05:00" in (systemd / "archiver-pull.timer").read_text()
    done = home("schedule", "remove", "--with", "systemd")
    assert done.exit == 3
    assert names(systemd) == ["archiver-mine.service", "archiver-pull.service"]
    assert changed.read_text() == text


def test_what_was_installed_is_removed_and_its_timers_stopped_first(home: CommandLine, systemd: Path) -> None:
    home("schedule", "install", "--with", "systemd")
    (home.home / "asked").unlink()
    assert home("schedule", "remove", "--with", "systemd").exit == 0
    assert names(systemd) == []
    asked = (home.home / "asked").read_text().splitlines()
    assert asked == [
        "--user disable --now archiver-pull.timer archiver-verify.timer",
        "--user daemon-reload",
    ]
    done = home("schedule", "remove", "--with", "systemd")
    assert (done.exit, done.err) == (0, "nothing is scheduled with systemd\n")


def test_prune_is_scheduled_only_where_the_configuration_allows_it(home: CommandLine, systemd: Path) -> None:
    done = home("schedule", "install", "--with", "systemd", "--prune", "work")
    assert done.exit == 24
    assert "scheduled = true in [account.work.prune]" in done.err
    assert not systemd.exists()
    with home.config.open("a") as file:
        file.write('[account.work.prune]\nolder-than = "1y"\nscheduled = true\n')
    assert home("schedule", "install", "--with", "systemd").exit == 0
    assert names(systemd) == UNITS  # allowed is not yet asked for
    done = home("schedule", "install", "--with", "systemd", "--prune", "work")
    assert done.exit == 0
    assert "note: prune and a monthly drill need the passphrase" in done.err
    assert " prune work --scheduled --notify" in (systemd / "archiver-prune-work.service").read_text()
    assert home("schedule", "install", "--with", "systemd").exit == 0
    assert names(systemd) == UNITS  # and taken back again
    assert "--user disable --now archiver-prune-work.timer" in (home.home / "asked").read_text()


def test_a_drill_is_scheduled_where_the_passphrase_can_be_had_unattended_and_nowhere_else(
    home: CommandLine, systemd: Path
) -> None:
    pytest.importorskip("keyring")
    ring: dict[str, Any] = {"PYTHON_KEYRING_BACKEND": "tests.servers.keyring.FileKeyring"}
    drill = ["archiver-drill.service", "archiver-drill.timer"]

    def installed(**environment: Any) -> list[str]:
        done = home.typed("schedule", "install", "--with", "systemd", **environment)
        assert done.exit == 0, done.err
        assert ("note: a monthly drill needs the passphrase" in done.err) is (drill[0] not in names(systemd))
        return names(systemd)

    assert installed() == UNITS
    assert installed(ARCHIVER_PASSPHRASE_COMMAND="echo open sesame") == UNITS, "a job does not have it"
    assert installed(ARCHIVER_PASSPHRASE_FILE="phrase") == sorted([*UNITS, *drill])
    assert "OnCalendar=*-*-01 05:30:00" in (systemd / drill[1]).read_text()
    jobs = home("schedule", "show", "--with", "systemd", "--json").document["jobs"]
    assert {job["when"] for job in jobs if job["job"] == "drill"} == {"day 01 05:30"}
    assert installed(**ring) == UNITS
    assert home.typed("key", "remember", **ring).exit == 0
    assert installed(**ring) == sorted([*UNITS, *drill])
    with home.config.open("a") as file:
        file.write('\n[archive.other]\npath = "elsewhere"\n')
    assert installed(**ring) == UNITS, "there is an archive that it does not open"


def test_the_command_of_a_drill_runs_with_nothing_but_a_home_and_a_file(nightly: CommandLine) -> None:
    assert nightly("pull", "-q").exit == 0
    phrase = nightly.home / "my phrase"
    phrase.write_text(PASSPHRASE)
    phrase.chmod(0o600)
    done = nightly("schedule", "install", "--with", "cron", "--print", ARCHIVER_PASSPHRASE_FILE=str(phrase))
    (line,) = [line for line in done.text.splitlines() if " drill " in line and not line.startswith("#")]
    assert line.startswith("30 5 1 * *  ")
    ran = subprocess.run(
        ["/bin/sh", "-c", line.split("  ", 1)[1].replace(r"\%", "%")],
        cwd="/",
        env={"HOME": str(nightly.home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    report = nightly("runs", "--report", "last", "--json").document
    assert (report["command"], report["details"][0]["messages"]) == ("drill", 2)


def test_a_job_of_an_account_that_takes_a_ticket_knows_the_keytab(home: CommandLine, systemd: Path) -> None:
    kerberos = {"KRB5_CLIENT_KTNAME": "/etc/archiver.keytab", "KRB5_CONFIG": "/opt/krb5.conf"}

    def installed(**environment: Any) -> tuple[bool, bool]:
        done = home.typed("schedule", "install", "--with", "systemd", **environment)
        assert done.exit == 0, done.err
        unit = (systemd / UNITS[0]).read_text()
        known = [f"{name}={value}" in unit for name, value in kerberos.items()]
        assert known[0] == known[1]
        return known[0], "set KRB5_CLIENT_KTNAME" in done.err

    assert installed(**kerberos) == (False, False), "nobody needs it"
    with home.config.open("a") as file:
        file.write(
            '\n[account.office]\narchive = "mail"\nkind = "exchange"\nuser = "ann@example.org"\n'
            'url = "https://mail.example.org/EWS/Exchange.asmx"\nsign-in = "kerberos"\n'
        )
    assert installed() == (False, True)
    assert installed(**kerberos) == (True, False)


def test_no_secret_of_the_environment_gets_into_a_unit(home: CommandLine, systemd: Path) -> None:
    with home.config.open("a") as file:
        file.write('[account.work.prune]\nolder-than = "1y"\nscheduled = true\n')
    words = ("schedule", "install", "--with", "systemd", "--prune", "work", "--print")
    done = home(
        *words, ARCHIVER_PASSPHRASE_COMMAND="echo open sesame", ARCHIVER_PASSPHRASE_FILE="/etc/phrase"
    )
    assert "sesame" not in done.text
    assert done.text.count("LoadCredential=passphrase:/etc/phrase") == 2  # of prune and of the drill


def test_without_a_manager_the_units_are_written_and_it_says_what_to_do(home: CommandLine) -> None:
    require("systemctl")
    offline(home)
    done = home(
        "schedule",
        "install",
        "--with",
        "systemd",
        XDG_RUNTIME_DIR=str(home.home),
        DBUS_SESSION_BUS_ADDRESS="",
    )
    assert done.exit == 3
    assert "the units are written, and systemd did not take them: Failed to connect" in done.err
    assert (
        "type: systemctl --user daemon-reload && systemctl --user enable --now archiver-pull.timer"
        in done.err
    )
    assert names(home.home / "config" / "systemd" / "user") == UNITS


def awkward(make_home: Callable[..., CommandLine]) -> CommandLine:
    """Give a home whose paths hold spaces, per cent signs, quotes and dollars."""
    user = make_home()
    moved = user.home.with_name('my $HOME is "100%h"')
    user.home.rename(moved)
    again = CommandLine(moved)
    text = user.config.relative_to(user.home)
    again.config.write_text(
        (moved / text).read_text().replace(str(user.home), str(moved).replace('"', '\\"'))
    )
    return again


def analyze(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ran = [require("systemd-analyze"), *words, "verify", "--man=no", "--recursive-errors=yes"]
    files = sorted(str(path) for path in units.iterdir() if path.is_file())
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(units), "HOME": str(units)}
    return subprocess.run([*ran, *files], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [["--user"], ["--system"]])
def test_systemd_finds_no_fault_with_the_units(
    make_home: Callable[..., CommandLine], tmp_path: Path, words: list[str]
) -> None:
    home = awkward(make_home)
    offline(home, 'password-file = "pass word"\n[account.work.prune]\nolder-than = "1y"\nscheduled = true')
    whole = words if words == ["--system"] else []
    done = home("schedule", "install", "--with", "systemd", "--prune", "work", "--print", "--json", *whole)
    assert done.exit == 0
    units = tmp_path / "units"
    units.mkdir()
    for path, text in done.document["files"].items():
        (units / Path(path).name).write_text(text)
    assert len(names(units)) == 6
    ran = analyze(units, *words)
    assert (ran.returncode, ran.stderr) == (0, "")
    unit = units / "archiver-pull.service"
    unit.write_text(unit.read_text().replace("ExecStart=", "ExecStart=/nowhere"))
    assert analyze(units, *words).returncode != 0  # it does look


def exec_start(unit: Path) -> tuple[list[str], dict[str, str]]:
    """Give the command of a unit and its variables, read as systemd does."""
    text = unit.read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    variables = [words_of(each)[0] for each in re.findall(r"^Environment=(.*)$", text, re.MULTILINE)]
    return words_of(line), dict(each.split("=", 1) for each in variables)


@pytest.fixture
def nightly(make_home: Callable[..., CommandLine], server: Dovecot, mailboxes: Mailboxes) -> CommandLine:
    """Give a home with awkward paths and an account with mail, its password in a file."""
    home = awkward(make_home)
    user = mailboxes.new()
    mailboxes.deliver(user, mail("one"), mail("two"))
    write_account(home, server, "ann", user)
    text = home.config.read_text().replace(
        f'password-command = "echo {server.password}"', 'password-file = "pw"'
    )
    home.config.write_text(text)
    (home.config.parent / "pw").write_text(server.password)
    (home.config.parent / "pw").chmod(0o600)
    return home


def test_the_command_of_a_unit_pulls_with_nothing_but_a_home_in_its_environment(nightly: CommandLine) -> None:
    nightly("schedule", "install", "--with", "systemd")
    units = nightly.home / "config" / "systemd" / "user"
    for name, said in (("pull", "ann: 2 messages pulled"), ("verify", "ann: no damage")):
        words, variables = exec_start(units / f"archiver-{name}.service")
        environment = {"HOME": str(nightly.home), "PYTHONPATH": str(ROOT), **variables}
        ran = subprocess.run(
            words,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
        assert ran.stderr.startswith(said)
    assert nightly("status", "--json").document["accounts"][0]["head"]["seq"] == 1


# What a unit asks of systemd, done by hand. The words: what is needed below /tmp, "--", what may be written, "--", the
# command. `PrivateTmp=`: /tmp is another one. `ProtectSystem=strict` and `ReadWritePaths=`: all else is read-only but
# the latter. `NoNewPrivileges=`, and no capability is left.
RESTRICTED = """
set -e
mount --make-rprivate /
mount --bind /tmp "$SAVED"
mount -t tmpfs tmpfs /tmp
while [ "$1" != -- ]; do
    mkdir -p "$1"; mount --bind "$SAVED${1#/tmp}" "$1"; mount -o remount,bind,ro "$1"; shift
done
shift
while [ "$1" != -- ]; do
    case "$1" in /tmp/*) mount --bind "$SAVED${1#/tmp}" "$1";; *) mount --bind "$1" "$1";; esac; shift
done
shift
umount "$SAVED"
mount -o remount,bind,ro /
for kept in "$HOME/probe" /etc/probe; do
    if touch "$kept" 2>/dev/null; then echo "not read-only: $kept" >&2; exit 99; fi
done
if [ -e "$MARKER" ]; then echo "not a private /tmp" >&2; exit 99; fi
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.fixture
def credentials(nightly: CommandLine, tmp_path: Path) -> Path:
    """Give the folder in which the command of the unit finds its credentials; what they were copied from is gone."""
    nightly("schedule", "install", "--with", "systemd")
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    for value in values(nightly.home / "config" / "systemd" / "user" / UNITS[0], "LoadCredential"):
        name, _, path = value.replace("%%", "%").partition(":")
        Path(path).rename(folder / name)
        (folder / name).chmod(0o400)
    assert [path.name for path in folder.iterdir()] == ["ann.password"]
    return folder


def test_a_unit_pulls_with_no_more_leave_than_it_asks_for(
    nightly: CommandLine, credentials: Path, server: Dovecot, tmp_path: Path
) -> None:
    require("setpriv")
    unit = nightly.home / "config" / "systemd" / "user" / UNITS[0]
    words, variables = exec_start(unit)
    allowed = [words_of(each)[0].removeprefix("-") for each in values(unit, "ReadWritePaths")]
    needed = [str(each) for each in (ROOT, sys.prefix, server.base, nightly.home, credentials)]
    kept = [each for each in needed if each.startswith("/tmp/")]
    marker = tmp_path / "marker"
    marker.touch()

    def run(*paths: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as saved:
            return subprocess.run(
                [
                    require("unshare"),
                    "--mount",
                    "sh",
                    "-c",
                    RESTRICTED,
                    "sh",
                    *kept,
                    "--",
                    *paths,
                    "--",
                    *words,
                ],
                cwd="/",
                env={
                    "HOME": str(nightly.home),
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT),
                    "CREDENTIALS_DIRECTORY": str(credentials),
                    "SAVED": saved,
                    "MARKER": str(marker),
                    **variables,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )

    none = run()
    if none.returncode and "error:" not in none.stderr:
        pytest.skip(f"this user may not make a file system read-only for one process: {none.stderr}")
    assert run(*allowed[1:]).returncode == 1  # the archive cannot be written
    ran = run(*allowed)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("ann: 2 messages pulled")
    assert values(unit, "SuccessExitStatus") == ["3"], "done in part is no failure of the unit"


@pytest.mark.parametrize(("words", "most"), [([], 60), (["--system"], 25)], ids=["user", "system"])
def test_systemd_finds_little_that_a_unit_could_do_amiss(
    home: CommandLine, tmp_path: Path, words: list[str], most: int
) -> None:
    offline(home, 'password-file = "pw"')
    done = home("schedule", "install", "--with", "systemd", "--print", "--json", *words)
    unit = tmp_path / UNITS[0]
    (text,) = [text for path, text in done.document["files"].items() if path.endswith(UNITS[0])]
    unit.write_text(text)
    judge = [require("systemd-analyze"), "security", "--offline=true", "--no-pager", f"--threshold={most}"]
    judged = subprocess.run([*judge, str(unit)], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


# --- cron -------------------------------------------------------------------------------------------------


def test_the_lines_of_cron_come_after_what_was_there_and_go_again(home: CommandLine, cron: Path) -> None:
    cron.write_text("MAILTO=ann\n0 1 * * * other\n")
    assert home("schedule", "install", "--with", "cron").exit == 0
    assert home("schedule", "install", "--with", "cron", "--daily", "03:00").exit == 0
    text = cron.read_text()
    assert text.startswith("MAILTO=ann\n0 1 * * * other\n")
    assert len(re.findall(r"^0 3 \* \* \*  .* pull ", text, re.MULTILINE)) == 1
    assert "30 2 " not in text
    jobs = home("schedule", "show", "--with", "cron", "--json").document["jobs"]
    assert [(job["job"], job["when"], job["next"][11:16]) for job in jobs] == [
        ("pull", "daily 03:00", "03:00"),
        ("verify", "Sun 05:00", "05:00"),
    ]
    assert home("schedule", "remove", "--with", "cron").exit == 0
    assert cron.read_text() == "MAILTO=ann\n0 1 * * * other\n"


def test_a_crontab_that_was_changed_by_hand_is_left(home: CommandLine, cron: Path) -> None:
    home("schedule", "install", "--with", "cron")
    changed = cron.read_text().replace("30 2 *", "45 2 *")
    cron.write_text(changed)
    done = home("schedule", "install", "--with", "cron")
    assert done.exit == 3
    assert cron.read_text() == changed
    assert home("schedule", "remove", "--with", "cron").exit == 3
    assert "45 2 *" in cron.read_text()
    assert " verify " not in cron.read_text()


def test_a_machine_without_cron_is_told_so(home: CommandLine) -> None:
    offline(home)
    home.environment["PATH"] = str(home.home)
    done = home("schedule", "install", "--with", "cron")
    assert done.exit == 1
    assert "there is no crontab on this machine\nhint: install cron" in done.err


def test_the_line_of_cron_says_nothing_where_all_is_well_and_something_where_not(
    nightly: CommandLine, server: Dovecot
) -> None:
    done = nightly("schedule", "install", "--with", "cron", "--print")
    lines = [line for line in done.text.splitlines() if not line.startswith("#") and line]
    assert [line.split("  ")[0] for line in lines] == ["30 2 * * *", "30 4 * * 0"]

    def night(line: str) -> subprocess.CompletedProcess[str]:
        """Run a line as cron does: a short PATH, no terminal, `%` read by cron itself."""
        command = line.split("  ", 1)[1].replace(r"\%", "%")
        assert not re.search(r"(?<!\\)%", line)
        environment = {
            "HOME": str(nightly.home),
            "PATH": "/usr/bin:/bin",
            "SHELL": "/bin/sh",
            "LOGNAME": "ann",
        }
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=nightly.home,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    for line in lines:
        ran = night(line)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert nightly("status", "--json").document["accounts"][0]["head"]["seq"] == 1
    (nightly.config.parent / "pw").write_text("wrong")
    ran = night(lines[0])
    assert ran.returncode == 21
    assert ran.stderr.startswith("error: ")
    assert "wrong" not in ran.stderr


def test_there_is_nothing_to_schedule_without_an_account(home: CommandLine) -> None:
    done = home("schedule", "install", "--print")
    assert done.exit == 14
    assert "archiver account add" in done.err
