"""archiver verify, and what every command says of an archive that is not what it was."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FOREIGN, Mailboxes, mail
from tests.command_line import CommandLine


def chain_of(home: CommandLine) -> Path:
    (found,) = (home.home / "mail" / "chains").iterdir()
    return found


def volumes(home: CommandLine) -> list[Path]:
    found = [path for path in chain_of(home).rglob("*") if path.is_file()]
    return sorted(path for path in found if "manifests" not in path.parts and "index" not in str(path))


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_sound_archive_needs_no_passphrase(pulled: CommandLine) -> None:
    del pulled.environment["ARCHIVER_PASSPHRASE_COMMAND"]
    done = pulled.typed("verify")
    assert done.exit == 0
    assert "ann: no damage; 1 run" in done.err
    quiet = pulled("verify", "-q")
    assert (quiet.exit, quiet.out, quiet.err) == (0, b"", "")
    document = pulled("verify", "--json").document
    assert document["chains"][0]["damaged"] is False
    assert pulled.typed("verify", "--read").exit == 14, "this needs it"


def test_read_decrypts_every_message(pulled: CommandLine) -> None:
    done = pulled("verify", "ann", "--read")
    assert done.exit == 0
    assert "5 messages" in done.err
    assert "decrypted" in done.err


@pytest.mark.parametrize("share", ["--data", "--data=10%", "--data=100%", "--data=0%"])
def test_a_share_of_the_bytes(pulled: CommandLine, share: str) -> None:
    done = pulled("verify", share)
    assert done.exit == 0, done.err


def test_what_is_no_share(pulled: CommandLine) -> None:
    for words in (["--data=many"], ["--data=101%"], ["--data", "ann"]):
        done = pulled("verify", *words)
        assert done.exit == 2
        assert "--data=10%" in done.err


def test_the_server_is_compared_folder_by_folder(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    done = pulled("verify", "ann", "--server")
    assert done.exit == 0
    assert "NOT ACCOUNTED FOR" not in done.text
    assert done.text.count("accounted for") == 3, "those that hold no messages are none"
    mailboxes.deliver(ann, mail("new"))
    done = pulled("verify", "--server", "--json")
    (inbox,) = [one for one in done.document["server"]["ann"] if one["folder"] == "INBOX"]
    assert (inbox["exists"], inbox["held"], inbox["new"]) == (4, 3, 1)


def test_a_head_that_was_printed_once_is_in_the_chain_for_ever(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    old = pulled("status", "--json").document["accounts"][0]["head"]["sha256"]
    mailboxes.deliver(ann, mail("new"))
    told = pulled("pull").err
    new = told.partition("; head ")[2].strip()
    for head in (f"1 {old}", f"1 {old[:16]}", old[:8], new, new.split()[1].upper()):
        assert pulled("verify", "--expect-head", head).exit == 0, head
    for head in ("f" * 64, f"2 {old}", old[:4], "1", ""):
        done = pulled("verify", "--expect-head", head, "--json")
        assert done.exit == 13, head
        assert done.error["code"] == "rolled-back"


# --- damage -----------------------------------------------------------------------------------------------


def two_volumes(home: CommandLine, mailboxes: Mailboxes, user: str) -> None:
    mailboxes.deliver(user, mail("later"), folder="Later")
    assert home("pull", "-q").exit == 0


def test_a_changed_byte_is_found_and_told_with_what_it_affects(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    first = volumes(pulled)
    two_volumes(pulled, mailboxes, ann)
    (second,) = set(volumes(pulled)) - set(first)
    flip(second)
    done = pulled.typed("verify")
    assert done.exit == 13
    assert second.name in done.text
    assert 'affected: 1 message of folder "Later"' in done.text
    assert "all other messages are not affected" in done.text
    assert done.err.rstrip().splitlines()[-1].startswith("hint: ")
    told = pulled("verify", "--json")
    assert told.exit == 13
    assert told.error["code"] == "damaged"
    assert told.lines[0]["chains"][0]["affected"] == {"Later": 1}
    # the rest is there to be read, and says which is not
    listed = pulled("list", "ann", "--json").document["messages"]
    assert [one["folder"] for one in listed if one["error"]] == ["Later"]
    exported = pulled("export", "ann", "--to", "eml", "out")
    assert exported.exit == 13
    assert "1 message could not be read" in exported.err
    assert len(list(pulled.home.glob("out/**/*.eml"))) == 5
    assert pulled("pull", "-q").exit == 0, "new mail is archived all the same"


def test_a_missing_file_is_found(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    two_volumes(pulled, mailboxes, ann)
    volumes(pulled)[0].unlink()
    done = pulled("verify")
    assert done.exit == 13
    assert "missing" in done.text
    for folder in ("INBOX", FOREIGN):
        assert f'of folder "{folder}"' in done.text
    assert 'of folder "Later"' not in done.text


def test_a_missing_or_changed_manifest_is_damage(pulled: CommandLine, mailboxes: Mailboxes, ann: str) -> None:
    two_volumes(pulled, mailboxes, ann)
    first, second = sorted((chain_of(pulled) / "manifests").iterdir())
    kept = first.read_bytes()
    flip(first)
    for command in ("verify", "runs"):
        done = pulled(command, "--json")
        assert done.exit == 13
        assert done.error["hint"]
    first.unlink()
    done = pulled("verify")
    assert done.exit == 13
    assert "run 1" in done.text
    first.write_bytes(kept)
    assert pulled("verify").exit == 0
    flip(second)
    for words in (["pull"], ["status"], ["list", "ann", "--no-key"]):
        assert pulled(*words).exit == 13, words


def test_an_archive_that_was_rolled_back_is_refused(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    shutil.copytree(pulled.home / "mail", pulled.home / "before")
    two_volumes(pulled, mailboxes, ann)
    shutil.move(pulled.home / "mail", pulled.home / "after")
    shutil.copytree(pulled.home / "before", pulled.home / "mail")
    for words in (["pull"], ["status"], ["verify"], ["list", "ann"]):
        done = pulled(*words, "--json")
        assert done.exit == 13, words
        assert "this machine has seen" in str(done.lines)
    assert pulled("pull", "--json").error["code"] == "rolled-back"


def test_another_archive_in_its_place_is_refused(
    pulled: CommandLine, make_home: Any, mailboxes: Mailboxes
) -> None:
    other = pulled.home / "other"
    bare = CommandLine(pulled.home / "bare")
    bare.home.mkdir()
    assert bare.typed("init", other, light=True, ARCHIVER_PASSPHRASE_COMMAND="echo x").exit == 0
    shutil.move(pulled.home / "mail", pulled.home / "real")
    shutil.move(other, pulled.home / "mail")
    done = pulled("pull", "--json")
    assert done.exit == 24
    assert "exchanged" in done.error["hint"]


def test_what_a_killed_run_left_is_noted_and_makes_no_quiet_check_speak(pulled: CommandLine) -> None:
    index = next(chain_of(pulled).glob("indexes/*"))
    shutil.copy(index, index.with_name("00000002-0badcafe.index.zst.age"))
    assert "note: objects that belong to no run, left by one that was cut short: 1\n" in pulled("verify").text
    done = pulled("verify", "-q")
    assert (done.exit, done.out, done.err) == (0, b"", "")


def test_a_lost_cache_is_made_anew(pulled: CommandLine) -> None:
    shutil.rmtree(pulled.home / "cache")
    assert len(pulled("list", "ann", "--no-key", "--json").document["messages"]) == 5
    for path in (pulled.home / "cache").rglob("*.sqlite"):
        path.write_bytes(b"not a database at all" * 400)
    done = pulled("pull", "-q")
    assert done.exit == 0, done.err
    assert len(pulled("list", "ann", "--no-key", "--json").document["messages"]) == 5


def test_a_sample_goes_round_until_every_object_was_read(
    pulled: CommandLine, mailboxes: Mailboxes, ann: str
) -> None:
    for number in range(4):
        mailboxes.deliver(ann, mail(f"n{number}"))
        assert pulled("pull", "-q").exit == 0
    objects = [path for path in chain_of(pulled).rglob("*.age") if path.is_file()]
    assert len(objects) == 10
    assert "\n  not every object was read yet\n" in pulled("verify", "--data=10%").err
    counts = []
    for _ in range(10):
        (chain,) = pulled("verify", "--data=10%", "--json").document["chains"]
        counts.append(chain["objects"])
    assert chain["read_since"] is not None
    assert max(counts) <= 2
    assert "\n  every object was read since 20" in pulled("verify", "--data=10%").err
    (memory,) = (pulled.home / "cache").rglob("*.readings")
    memory.unlink()
    (chain,) = pulled("verify", "--data=10%", "--json").document["chains"]
    assert (chain["damaged"], chain["read_since"]) == (False, None)
