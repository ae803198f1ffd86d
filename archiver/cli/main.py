"""The command group: commands are loaded when they are called, failures told in two lines."""

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from archiver import __version__
from archiver.cli.failure import tell
from archiver.cli.output import accept_any_text
from archiver.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name -> what it does, in the order in which help shows them; each is `command` in archiver/cli/NAME.py
COMMANDS = {
    "init": "make an archive; shows the recovery line once",
    "account": "add, list, test and remove accounts",
    "pull": "bring the archive up to the server",
    "import": "take in mail that lies in files",
    "status": "last run, head, what is held, what is missing",
    "folders": "what is archived, by folder",
    "runs": "what was archived, by run",
    "list": "list archived messages",
    "show": "show one message",
    "export": "write plain files that any mail program opens",
    "restore": "put archived mail onto a server",
    "prune": "free space on the server: remove what is proven to be archived",
    "verify": "check the archive, its messages, and the server against both",
    "drill": "restore a sample, and compare it with what was archived",
    "repair": "make good what verify finds, as far as it can be done",
    "key": "the owner key: show, passphrase, remember, forget",
    "writer": "which machines may write to an archive",
    "doctor": "check all that a run needs, and say what to do",
    "completion": "make a shell complete commands and names",
    "schedule": "have all of this done each night: systemd, launchd, cron",
    "demo": "show all of it on a mail server of its own",
}

COMPLETE = "_ARCHIVER_COMPLETE"
"""The variable that a shell sets while it asks for completions; Click reads it by this name."""

_EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 usage, 3 in part (messages or folders missed),
10 no archive, 11 locked, 12 wrong key, 13 damage found, 14 configuration,
20 server unreachable, 21 login refused, 22 forbidden by the server,
23 another mailbox, 24 refused for safety, 70 a bug, 130 interrupted."""


class Commands(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"archiver.cli.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete the names from the table, without importing any."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 -- only a shell needs it

        named = [
            CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)
        ]
        return named or click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from archiver.config.settings import did_you_mean  # noqa: PLC0415 -- only a mistake needs it

            guess = did_you_mean(args[0], COMMANDS)
            raise UsageError(f'there is no command "{args[0]}"{guess}', "see them all: archiver --help")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="archiver %(version)s")
def cli() -> None:
    """Pull mail into encrypted, signed archives; read it back, restore it, and prune the server.

    \b
      archiver init ~/mail-archive
      archiver account add work --imap imap.example.org --user ann@example.org
      archiver pull
      archiver list work --from bob --since 1y
      archiver export work --to mbox ~/mail
      archiver prune work --older-than 1y --dry-run
    """


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    if COMPLETE in os.environ:
        _complete()
    try:
        accept_any_text()
        code = cli.main(prog_name="archiver", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()  # the reader has gone: no news
        code = 1
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt | Interrupted):
            for number in (signal.SIGINT, signal.SIGTERM):  # asked twice, it still gives the exit code
                signal.signal(number, signal.SIG_IGN)
        code = tell(error, sys.argv[1:])
        if isinstance(error, OSError):
            _silence()  # what could not be written cannot be at exit either
        if isinstance(error, KeyboardInterrupt | Interrupted):
            _end_now(code)
    sys.exit(code if isinstance(code, int) else 0)


def _end_now(code: int) -> None:
    """End without waiting for threads that hang where nothing can end them; no end harms an archive."""
    from archiver.cli.side_by_side import anyone_left  # noqa: PLC0415 -- only an interrupt needs it

    if anyone_left():
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _complete() -> NoReturn:
    """Answer a shell that completes a line; whatever is wrong with that line is not told here."""
    from archiver.cli.completion import register  # noqa: PLC0415 -- only a shell needs it

    register()
    code = 1
    try:
        cli.main(prog_name="archiver", standalone_mode=False)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001, RUF100 -- in the middle of somebody's line nothing may be said
        _silence()
    sys.exit(code)


def _silence() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
