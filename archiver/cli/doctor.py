"""archiver doctor: what is wrong, and the remedy."""

import click

from archiver.cli.checks import examine
from archiver.cli.names import account_and_archive_names
from archiver.cli.output import number, print_json, shown
from archiver.cli.session import Session, passphrase_option, shared_options
from archiver.plan.doctor import Check, State, first_failure


@click.command("doctor")
@click.argument("name", required=False, shell_complete=account_and_archive_names)
@click.option("--key", "with_key", is_flag=True, help="Try the owner key too. Needs the passphrase.")
@passphrase_option
@shared_options
def command(session: Session, name: str | None, with_key: bool, passphrase_command: str | None) -> None:
    """Check all that a run needs: this machine, the archives, the accounts. Of one NAME, or of all.

    It changes nothing but for a small object that it writes to each archive, reads, and removes.

    \b
      archiver doctor
      archiver doctor work --json
    """
    checks = list(examine(session, name, passphrase_command, with_key=with_key))
    if session.json:
        print_json(
            {
                "type": "doctor",
                "checks": [_document(check) for check in checks],
                "failed": _count(checks, State.FAIL),
                "warned": _count(checks, State.WARN),
            }
        )
    else:
        _print([check for check in checks if not session.quiet or check.state is State.FAIL])
        session.say(
            f"{number(len(checks), 'check')}: {_count(checks, State.FAIL)} failed, "
            f"{number(_count(checks, State.WARN), 'warning')}"
        )
    first = first_failure(checks)
    if first is not None and first.error is not None:
        count = number(_count(checks, State.FAIL), "check")
        raise first.error.retold(f"{count} failed; the first, {first.name} of {first.about}: {first.text}")


def _document(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "about": check.about,
        "state": check.state.value,
        "text": check.text,
        "hint": check.hint,
        "code": check.error.code if check.error else None,
    }


def _count(checks: list[Check], state: State) -> int:
    return sum(check.state is state for check in checks)


def _print(checks: list[Check]) -> None:
    names = max((len(check.name) for check in checks), default=0)
    owners = max((len(check.about) for check in checks), default=0)
    for check in checks:
        first, *more = check.text.split("\n")
        start = f"{check.state.value:4}  {check.name:{names}}  {check.about:{owners}}  "
        gap = " " * len(start)
        click.echo(start + shown(first))
        for line in more:
            click.echo(gap + shown(line))
        if check.hint and check.state is not State.OK:
            click.echo(f"{gap}hint: {shown(check.hint)}")
