"""archiver completion: the script that makes a shell complete commands, options and names."""

import os
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    get_completion_class,
)

# Click's own, but for words with blanks in them, as folders have: each line is one word, and quoted
_BASH = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case $type in
        dir) compopt -o dirnames ;;
        file) compopt -o default ;;
        plain) COMPREPLY+=("$value") ;;
        esac
    done < <(IFS=$'\\n'; env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


# Click's own, but for words with commas in them, which it cuts off there
_FISH = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) %(prog_name)s 2>/dev/null)
    for completion in $response
        set -l parts (string split --max 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Bash(BashComplete):
    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Ask nothing of the bash that is here: the script may be for another one."""

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Quote a word as bash wants to read it, but where the user has begun to."""
        words = os.environ.get("COMP_WORDS", "").split("\n")
        position = int(os.environ.get("COMP_CWORD", "0"))
        begun = words[position] if position < len(words) else ""
        if item.type == "plain" and not begun.startswith(("'", '"')):
            item.value = "".join(each if _is_plain(each) else f"\\{each}" for each in item.value)
        return super().format_completion(item)


class _Fish(FishComplete):
    source_template = _FISH


def _is_plain(letter: str) -> bool:
    return letter.isalnum() or letter in "-_./,:@%+=" or not letter.isascii()


def register() -> None:
    """Let Click know how archiver completes in bash and fish."""
    add_completion_class(_Bash)
    add_completion_class(_Fish)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def command(shell: str) -> None:
    """Print the script that makes a shell complete commands, options, accounts, archives and folders.

    \b
      bash: put into ~/.bashrc                    eval "$(archiver completion bash)"
      zsh:  put into ~/.zshrc, after compinit     eval "$(archiver completion zsh)"
      fish: archiver completion fish > ~/.config/fish/completions/archiver.fish
    """
    from archiver.cli.main import COMPLETE, cli  # noqa: PLC0415 -- it imports this

    register()
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "archiver", COMPLETE).source(), nl=False)
