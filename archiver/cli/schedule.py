"""archiver schedule: have the scheduler of the system pull, verify and prune."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from archiver import wiring
from archiver.cli.output import print_json, print_table
from archiver.cli.session import Session, Subcommands, shared_options
from archiver.config import NotifySettings, Settings
from archiver.errors import ArchiverError, ConfigInvalid, Incomplete, RefusedForSafety
from archiver.formats.crontab import cron_parts
from archiver.formats.launchd import plist_files
from archiver.formats.mark import clock
from archiver.formats.units import unit_files
from archiver.model import Job, Surroundings
from archiver.ops.schedule import Change, Installed
from archiver.plan.schedule import jobs, next_run, parse_clock

# systemd keeps what is said in its journal; cron makes a mail of it, and gives no job a priority of its own
_OPTIONS = {"systemd": (), "launchd": ("-q",), "cron": ("-q", "--nice")}
KINDS = tuple(_OPTIONS)


@click.group("schedule", cls=Subcommands)
def command() -> None:
    """Have systemd, launchd or cron pull each night, and verify each week.

    \b
      archiver schedule install --daily 02:30
      archiver schedule show
    """


def _where(function: Callable[..., Any]) -> Callable[..., Any]:
    system = click.option(
        "--system", is_flag=True, help="For the whole system, not for one user. Needs root."
    )
    kind = click.option(
        "--with", "kind", type=click.Choice(KINDS), help="The scheduler; what this system has if not given."
    )
    return system(kind(function))


@command.command("install")
@click.option("--daily", default="02:30", metavar="TIME", help="When to pull; 02:30 if not given.")
@click.option("--prune", "pruned", multiple=True, metavar="NAME", help="Prune this account too, each day.")
@click.option("--print", "only_print", is_flag=True, help="Print the files, and change nothing.")
@_where
@shared_options
def install(
    session: Session, daily: str, pruned: tuple[str, ...], only_print: bool, system: bool, kind: str | None
) -> None:
    """Pull each day, verify a sample each Sunday, and restore one each month where the passphrase can be had.
    Takes the place of what was installed before.

    \b
      archiver schedule install
      archiver schedule install --daily 03:15 --prune work
      archiver schedule install --with systemd --print
    """
    kind = kind or wiring.usual_scheduler()
    _check(session.settings, pruned)
    shared = (*_OPTIONS[kind], *_config(session))
    around = surroundings(session.settings, system=system, make=not only_print)
    drill = around.passphrase_file is not None or _passphrases_are_kept(session.settings)
    wanted = jobs(parse_clock(daily), pruned, shared, drill=drill)
    files = _files(kind, wanted, around)
    if only_print:
        _print(session, kind, files, system=system)
        return
    change = wiring.scheduler(kind, system=system).install(files)
    if session.json:
        print_json({"type": "schedule-installed", "with": kind, "written": change.done, "left": change.left})
    for path in change.done:
        session.say(f"written: {path}")
    for job in wanted:
        session.say(f"{job.name}: {clock(job.when)}")
    if not drill:
        what = "prune and a monthly drill need" if pruned else "a monthly drill needs"
        session.say(
            f"note: {what} the passphrase of the owner key: keep it with archiver key remember, or set "
            "ARCHIVER_PASSPHRASE_FILE, and install again; or try it yourself now and then: archiver drill"
        )
    _say_who_needs_a_keytab(session, around)
    if kind == "systemd" and not system:
        session.say("note: so that it runs while you are logged out, type: loginctl enable-linger")
    _raise_for(change)


@command.command("show")
@_where
@shared_options
def show(session: Session, system: bool, kind: str | None) -> None:
    """Show what is installed, and when it runs next."""
    kind = kind or wiring.usual_scheduler()
    found = wiring.scheduler(kind, system=system).installed()
    if session.json:
        print_json({"type": "schedule", "with": kind, "jobs": [_document(kind, one) for one in found]})
        return
    if not found:
        session.say(f"nothing is scheduled with {kind}; see: archiver schedule install")
        return
    rows = [
        (one.job, clock(one.when) if one.when else "", _next(kind, one) or "", one.state, one.where)
        for one in found
    ]
    print_table(rows, ("JOB", "WHEN", "NEXT", "STATE", "FILE"))


@command.command("remove")
@_where
@shared_options
def remove(session: Session, system: bool, kind: str | None) -> None:
    """Take away what install has put there; what was changed by hand stays."""
    kind = kind or wiring.usual_scheduler()
    change = wiring.scheduler(kind, system=system).remove()
    if session.json:
        print_json({"type": "schedule-removed", "with": kind, "removed": change.done, "left": change.left})
    for path in change.done:
        session.say(f"removed: {path}")
    if not change.done and not change.left:
        session.say(f"nothing is scheduled with {kind}")
    _raise_for(change)


def surroundings(settings: Settings, *, system: bool, make: bool) -> Surroundings:
    """Tell what the jobs find: this program and this environment, and what the configuration names."""
    accounts = settings.accounts.values()
    commands = any(
        each.password_command or (each.oauth and each.oauth.client_secret_command) for each in accounts
    )
    told = settings.notify or NotifySettings()
    commands = bool(commands or told.command or (told.mail and told.mail.password_command))
    kept = ["ARCHIVER_STATE_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", *(["PATH"] if commands else [])]
    if any(each.by_ticket for each in accounts):
        kept += ["KRB5_CONFIG", "KRB5CCNAME", "KRB5_CLIENT_KTNAME"]
    folders = [*wiring.own_folders(make=make)]
    folders += [told.prometheus_file.parent] if told.prometheus_file else []
    passphrase = os.environ.get("ARCHIVER_PASSPHRASE_FILE")
    return Surroundings(
        program=_program(),
        environment={name: os.environ[name] for name in kept if os.environ.get(name)},
        writable=tuple(map(str, (*(each.path for each in settings.archives.values()), *folders))),
        credentials={
            f"{each.name}.password": str(each.password_file) for each in accounts if each.password_file
        },
        passphrase_file=str(Path(passphrase).expanduser().absolute()) if passphrase else None,
        commands=commands,
        user=wiring.user_name() if system else None,
    )


def _say_who_needs_a_keytab(session: Session, around: Surroundings) -> None:
    names = [f'"{each.name}"' for each in session.settings.accounts.values() if each.by_ticket]
    if names and "KRB5_CLIENT_KTNAME" not in around.environment:
        session.say(
            f"note: {', '.join(names)}: a job gets a ticket of Kerberos by a keytab: set KRB5_CLIENT_KTNAME, and "
            "install again; your own ticket expires, and systemd hides one in /tmp"
        )


def _passphrases_are_kept(settings: Settings) -> bool:
    """Tell whether the keyring opens every archive, so that a job of the owner can run unattended."""
    try:
        return bool(settings.archives) and all(map(wiring.keyring_opens, settings.archives.values()))
    except ArchiverError:
        return False


def _program() -> tuple[str, ...]:
    """Tell how to start this very program: its script where it was started by one, else its module."""
    script = Path(sys.argv[0]).absolute()
    if script.name == "archiver" and script.is_file() and os.access(script, os.X_OK):
        return (str(script),)
    return (sys.executable, "-m", "archiver")


def _config(session: Session) -> tuple[str, ...]:
    return ("--config", str(session.config))


def _check(settings: Settings, pruned: Sequence[str]) -> None:
    if not settings.accounts:
        raise ConfigInvalid(
            f'no account is configured in "{settings.path}"', "add one with: archiver account add NAME"
        )
    for name in pruned:
        if not settings.account(name).prune.scheduled:
            raise RefusedForSafety(
                f'the configuration does not let a schedule prune account "{name}"',
                f"allow it with scheduled = true in [account.{name}.prune]",
            )


def _files(kind: str, wanted: Sequence[Job], around: Surroundings) -> dict[str, str]:
    if kind == "systemd":
        return unit_files(wanted, around)
    if kind == "launchd":
        return plist_files(wanted, around, str(wiring.own_folders(make=False)[0] / "schedule.log"))
    return {"archiver": cron_parts(wanted, around)}


def _print(session: Session, kind: str, files: Mapping[str, str], *, system: bool) -> None:
    folder = wiring.scheduler_folder(kind, system=system)
    paths = {str(folder / name) if folder else "crontab": text for name, text in files.items()}
    if session.json:
        print_json({"type": "schedule-files", "with": kind, "files": paths})
        return
    for path, text in paths.items():
        if kind != "cron":
            click.echo(f"<!-- {path} -->" if kind == "launchd" else f"# {path}")
        click.echo(text)


def _next(kind: str, one: Installed) -> str | None:
    if kind == "systemd" or one.when is None:
        return one.next_run
    return next_run(one.when, wiring.now().astimezone()).isoformat(sep=" ", timespec="minutes")


def _document(kind: str, one: Installed) -> dict[str, Any]:
    when = clock(one.when) if one.when else None
    return {
        "job": one.job,
        "when": when,
        "next": _next(kind, one),
        "state": one.state,
        "file": one.where,
    }


def _raise_for(change: Change) -> None:
    if change.left:
        listed = ", ".join(f'"{path}"' for path in change.left)
        raise Incomplete(
            f"left as they are, since they were changed by hand: {listed}",
            "keep them, or remove them by hand and run this again",
        )
    if change.undone:
        raise Incomplete(change.undone, change.remedy)
