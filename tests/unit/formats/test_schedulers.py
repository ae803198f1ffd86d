"""What is written for systemd, cron and launchd holds awkward paths, and says who wrote it."""

import plistlib
import re
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from archiver.errors import UsageError
from archiver.formats.crontab import cron_line, cron_parts, without_parts
from archiver.formats.launchd import plist_files
from archiver.formats.mark import read_mark
from archiver.formats.units import command_line, unit_files
from archiver.model import Surroundings, When
from archiver.plan.schedule import jobs
from tests.systemd_words import words_of

PLAIN = Surroundings(("/usr/bin/archiver",), {}, ("/backup/mail",), {})
AWKWARD = Surroundings(
    ("/opt/50% of/ar chiver",),
    {"PATH": "/usr/bin:/a b%c"},
    ("/backup/all my mail 100%", '/with "quotes" and \\'),
    {"work.password": "/etc/my secrets/50%"},
)
JOBS = jobs(When(2, 30), ["work"])
MONTHLY = jobs(When(2, 30), [], drill=True)[-1]
printable = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)


def service(around: Surroundings, name: str = "pull") -> str:
    return unit_files(JOBS, around)[f"archiver-{name}.service"]


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@given(st.lists(printable, min_size=1))
def test_systemd_reads_back_the_words_of_a_command(words: list[str]) -> None:
    assert words_of(command_line(["/bin/x", *words])) == ["/bin/x", *words]


def test_a_unit_may_write_to_archive_state_and_cache_alone() -> None:
    text = service(AWKWARD)
    assert values(text, "ProtectSystem") == ["strict"]
    assert values(text, "ProtectHome") == ["read-only"]
    assert [words_of(each) for each in values(text, "ReadWritePaths")] == [
        [f"-{path}"] for path in AWKWARD.writable
    ]


def test_a_password_in_a_file_is_a_credential_and_its_path_is_not_quoted() -> None:
    # the value is not split into words: quotes would be part of the path
    assert values(service(AWKWARD), "LoadCredential") == ["work.password:/etc/my secrets/50%%"]


def test_where_a_command_gives_a_password_the_home_can_be_written() -> None:
    text = service(replace(PLAIN, commands=True))
    assert values(text, "ProtectSystem") == ["full"]
    assert values(text, "ProtectHome") == []


def test_the_passphrase_goes_to_the_jobs_of_the_owner_alone() -> None:
    around = replace(PLAIN, passphrase_file="/etc/phrase")
    assert "LoadCredential=passphrase:/etc/phrase" in service(around, "prune-work")
    assert "Environment=ARCHIVER_PASSPHRASE_FILE=%d/passphrase" in service(around, "prune-work")
    for name in ("pull", "verify"):
        assert "phrase" not in service(around, name)
    lines = [cron_line(job, around) for job in JOBS]
    assert ["ARCHIVER_PASSPHRASE_FILE=/etc/phrase" in line for line in lines] == [False, True, False]


def test_only_a_unit_of_the_system_takes_capabilities_away() -> None:
    keys = ("CapabilityBoundingSet", "PrivateDevices", "ProtectKernelModules", "ProtectClock", "User")
    system = service(replace(PLAIN, user="ann"))
    assert [values(service(PLAIN), key) for key in keys] == [[]] * len(keys)
    assert [values(system, key) for key in keys] == [[""], ["true"], ["true"], ["true"], ["ann"]]


def test_a_timer_catches_up_and_spreads_its_load() -> None:
    timer = unit_files(JOBS, PLAIN)["archiver-verify.timer"]
    assert values(timer, "OnCalendar") == ["Sun *-*-* 04:30:00"]
    assert values(timer, "Persistent") == ["true"]
    assert values(timer, "RandomizedDelaySec") == ["20min"]


def test_a_job_of_each_month_is_written_for_every_scheduler_and_read_back() -> None:
    around = replace(PLAIN, passphrase_file="/etc/phrase")
    units = unit_files([MONTHLY], around)
    assert values(units["archiver-drill.timer"], "OnCalendar") == ["*-*-01 05:30:00"]
    assert "LoadCredential=passphrase:/etc/phrase" in units["archiver-drill.service"]
    assert cron_line(MONTHLY, around).startswith("30 5 1 * *  ARCHIVER_PASSPHRASE_FILE=/etc/phrase ")
    (plist,) = plist_files([MONTHLY], around, "/log").values()
    assert plistlib.loads(plist.encode())["StartCalendarInterval"] == {"Day": 1, "Hour": 5, "Minute": 30}
    part = cron_parts([MONTHLY], around)
    for text in (*units.values(), plist, part):
        mark = read_mark(text)
        assert (mark.job, mark.when) == ("drill", When(5, 30, day=1))
    assert without_parts(f"# before\n{part}")[0] == "# before\n"


@pytest.mark.parametrize(
    "write", [lambda around: unit_files(JOBS, around), lambda around: cron_parts(JOBS, around)]
)
def test_a_line_feed_in_a_path_is_refused(write: Callable[[Surroundings], object]) -> None:
    with pytest.raises(UsageError, match="control character"):
        write(replace(PLAIN, program=("/bin/a\nb",)))


# --- cron -------------------------------------------------------------------------------------------------


def strips(line: str) -> str:
    r"""Read a command as cron of Debian does: `\%` is `%`, and a bare `%` ends it."""
    return re.sub(r"(?<!\\)%.*", "", line).replace(r"\%", "%")


def leaves(line: str) -> str:
    """Read it as crons that leave the backslash to the shell."""
    return re.sub(r"(?<!\\)%.*", "", line)


@pytest.mark.parametrize("cron", [strips, leaves])
@pytest.mark.parametrize("word", ["100%", "a b", "%", "%%", 'it\'s 5% $HOME `x` "y"', "", "a\\b", "ü*?"])
def test_the_shell_gets_the_words_whatever_kind_of_cron_it_is(cron: Callable[[str], str], word: str) -> None:
    job = replace(JOBS[0], words=("pull", word, "end"))
    around = replace(PLAIN, program=("/usr/bin/printf", "%s\n"), environment={})
    # a line feed cannot stand there: `printf` gets its format without one
    around = replace(around, program=("/usr/bin/printf", "<%s>"))
    line = cron_line(job, around)
    when, _, command = line.rstrip("\n").partition("  ")
    assert when == "30 2 * * *"
    ran = subprocess.run(["/bin/sh", "-c", cron(command)], env={}, capture_output=True, check=True)
    assert ran.stdout.decode() == f"<pull><{word}><end>"


def test_archivers_part_of_a_crontab_comes_and_goes_and_the_rest_stays() -> None:
    rest = "MAILTO=ann\n0 1 * * * something\n# a remark\n"
    whole = rest + cron_parts(JOBS, AWKWARD) + "5 5 * * * more\n"
    left, marks = without_parts(whole)
    assert left == rest + "5 5 * * * more\n"
    assert [(mark.job, mark.state) for mark in marks] == [
        ("pull", "as written"),
        ("prune-work", "as written"),
        ("verify", "as written"),
    ]


def test_a_line_of_the_crontab_that_was_changed_by_hand_stays() -> None:
    whole = cron_parts(JOBS, PLAIN).replace("30 2 *", "45 2 *")
    left, marks = without_parts(whole)
    assert [mark.state for mark in marks] == ["changed by hand", "as written", "as written"]
    assert "45 2 *" in left
    assert "prune" not in left


# --- launchd, and marks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["work", "a--b", "x-"])
def test_a_property_list_says_what_to_run_and_when(name: str) -> None:
    files = plist_files(jobs(When(2, 30), [name]), AWKWARD, "/log")
    found = {key: plistlib.loads(text.encode()) for key, text in files.items()}
    prune, verify = found[f"archiver.prune-{name}.plist"], found["archiver.verify.plist"]
    assert prune["ProgramArguments"] == [*AWKWARD.program, "prune", name, "--scheduled", "--notify"]
    assert prune["EnvironmentVariables"] == AWKWARD.environment
    assert verify["StartCalendarInterval"] == {"Weekday": 0, "Hour": 4, "Minute": 30}
    assert {read_mark(text).state for text in files.values()} == {"as written"}


@pytest.mark.parametrize("around", [PLAIN, AWKWARD])
def test_a_mark_tells_job_and_time_and_whether_the_file_was_changed(around: Surroundings) -> None:
    text = service(around, "verify")
    mark = read_mark(text)
    assert (mark.job, mark.when, mark.state) == ("verify", When(4, 30, 0), "as written")
    assert read_mark(text + "Nice=19\n").state == "changed by hand"
    assert read_mark(text.replace("Nice=10", "Nice=11")).state == "changed by hand"
    assert read_mark(text.partition("\n")[2]).state == "not by archiver"
