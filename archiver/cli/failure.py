"""How a failure is told: two lines on stderr, a last JSON line on stdout, an exit code."""

import errno
import sys
import traceback
from collections.abc import Sequence

import click

from archiver import __version__
from archiver.cli.output import print_json, say
from archiver.errors import ArchiverError, Interrupted, StoreFailed, UsageError

BUG = 70


class _Bug(ArchiverError):
    """What nobody thought of."""

    code = "bug"
    exit = BUG


def tell(error: BaseException, arguments: Sequence[str]) -> int:
    """Tell a failure to whoever called, and give the exit code for it."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return UsageError.exit
    known = as_archiver_error(error)
    if known is None:
        return _tell_bug(error)
    if "--json" in arguments:
        print_json_error(known.code, known.exit, known.text, known.hint)
    tell_error(known)
    return known.exit


def bug_of(error: BaseException) -> ArchiverError:
    """Give what is told of a bug: its name alone, since what it says of itself may hold mail."""
    return _Bug(f"a bug in archiver: {type(error).__name__}")


def tell_error(error: ArchiverError) -> None:
    """Tell a failure in two lines on stderr."""
    say(f"error: {error.text}" + (f"\nhint: {error.hint}" if error.hint else ""))


def as_archiver_error(error: BaseException) -> ArchiverError | None:  # noqa: PLR0911 -- a table
    """Translate what Click and the interpreter raise; None for a bug."""
    import sqlite3  # noqa: PLC0415 -- only a failure needs it

    from archiver.config import cache_folder  # noqa: PLC0415 -- likewise

    match error:
        case ArchiverError():
            return error
        case click.exceptions.NoSuchOption(ctx=context) if context and not context.parent:
            hint = f"options stand after the command: archiver COMMAND {error.option_name}"
            return UsageError(f'no such option "{error.option_name}" before a command', hint)
        case click.exceptions.NoSuchOption(ctx=context):
            return UsageError(_lower(error.format_message()), _help_of(context))
        case click.UsageError(ctx=context):
            return UsageError(_lower(error.format_message()), _help_of(context))
        case click.ClickException():
            return UsageError(_lower(error.format_message()))
        case click.Abort() | KeyboardInterrupt():
            return Interrupted("interrupted", "run again to go on; what was committed is safe")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EIO):
            where = f'"{error.filename}"' if error.filename else "the output"
            return StoreFailed(
                f"{where} cannot be written: {error.strerror}", "free some space, and run again"
            )
        case sqlite3.DatabaseError():
            return StoreFailed(
                "the local catalog is damaged: it is a cache, and the archive has all of it",
                f'make it anew with: archiver repair; or remove the folder "{cache_folder()}", and run again',
            )
        case MemoryError():
            return ArchiverError("memory ran out", "close other programs and run again")
    return None


def print_json_error(code: str, exit_code: int, message: str, hint: str | None) -> None:
    """Print the last line of a failed `--json` run."""
    print_json({"type": "error", "code": code, "exit": exit_code, "message": message, "hint": hint})


def _lower(text: str) -> str:
    text = text.rstrip(".").replace("'", '"').replace(". Did you mean", ", did you mean")
    return text[:1].lower() + text[1:]


def _help_of(context: click.Context | None) -> str:
    return f"see: {context.command_path} --help" if context else "see: archiver --help"


def _tell_bug(error: BaseException) -> int:
    """Write a report of where it happened, without values or the error's own words: those may hold mail."""
    from archiver.config import state_folder  # noqa: PLC0415 -- only a bug needs it

    places = "".join(traceback.format_tb(error.__traceback__))
    report = f"archiver {__version__}\n{places}{type(error).__name__}\n"
    say(f"error: {bug_of(error).text}")
    try:
        path = state_folder() / "bug-report.txt"
        path.write_text(report, "utf-8")
        say(f'hint: please report it with the file "{path}"; the archive is sound')
    except (OSError, ArchiverError):
        sys.stderr.write(report)
    return BUG
