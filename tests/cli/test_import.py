"""archiver import, as a user types it."""

import os
from pathlib import Path

from tests.cli.conftest import Mailboxes, mail, write_account
from tests.command_line import CommandLine, Done
from tests.servers.dovecot import Dovecot


def write_mbox(path: Path, *messages: bytes) -> Path:
    """Write an mboxrd file, LF lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for raw in messages:
            text = raw.replace(b"\r\n", b"\n")
            lines = text.splitlines(keepends=True)
            quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
            file.write(b"From MAILER-DAEMON Mon Jan  1 10:00:00 2024\n" + b"".join(quoted) + b"\n")
    return path


def write_maildir(path: Path, *messages: bytes, info: str = "2,S") -> Path:
    """Write a Maildir."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for number, raw in enumerate(messages):
        file = path / "cur" / f"{1700000000 + number}.M1P1.host:{info}"
        file.write_bytes(raw.replace(b"\r\n", b"\n"))
        os.utime(file, (1700000000 + number, 1700000000 + number))
    return path


def test_an_mbox_file_and_a_maildir_are_taken_in_and_read_back(home: CommandLine, tmp_path: Path) -> None:
    file = write_mbox(tmp_path / "Old.mbox", mail("one", text="hello\nFrom here\n>From there\n"), mail("two"))
    folder = write_maildir(tmp_path / "Maildir", mail("three"))
    first = home("import", file, "--to", "attic")
    assert (first.exit, first.out) == (0, b""), first.err
    assert "Old: mboxrd, 2 messages new" in first.err
    second = home("import", folder, "--to", "attic")
    assert second.exit == 0, second.err
    assert "INBOX: Maildir, 1 message new" in second.err
    listed = home("list", "attic", "--json").document["messages"]
    assert {(each["folder"], each["subject"], tuple(each["flags"])) for each in listed} == {
        ("Old", "one", ()),
        ("Old", "two", ()),
        ("INBOX", "three", ("\\Seen",)),
    }
    assert all(each["on_server"] for each in listed)
    out = tmp_path / "out"
    assert home("export", "attic", "--to", "mbox", out, "--folder", "Old").exit == 0
    assert (out / "Old.mbox").read_bytes() == file.read_bytes()
    third = home("import", file, "--to", "attic")
    assert "attic: 0 messages imported" in third.err


# --- what is told ---------------------------------------------------------------------------------------


def test_a_dry_run_tells_and_takes_nothing(home: CommandLine, tmp_path: Path) -> None:
    file = write_mbox(tmp_path / "Old.mbox", mail("one"), mail("two"))
    done = home("import", file, "--to", "attic", "--dry-run")
    assert done.exit == 0
    assert done.err.splitlines()[0] == "Old: mbox, 2 messages new"
    assert done.err.splitlines()[1].startswith("attic: 2 messages to import (")
    assert home("status").out == b""


def test_json_tells_folders_forms_and_the_account_of_completeness(home: CommandLine, tmp_path: Path) -> None:
    write_mbox(tmp_path / "mail" / "Old", mail("one"))
    write_maildir(tmp_path / "mail" / "New", mail("two"))
    done = home("import", tmp_path / "mail", "--to", "attic", "--json")
    assert (done.exit, done.err) == (0, "")
    document = done.document
    assert document["type"] == "imported"
    assert document["forms"] == {"New": "Maildir", "Old": "mbox"}
    assert document["complete"]
    assert {each["folder"]: each["balance"]["held"] for each in document["folders"]} == {"New": 1, "Old": 1}


def test_quietly_nothing_is_said(home: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "link").symlink_to(tmp_path)
    write_mbox(tmp_path / "mail" / "Old", mail("one"))
    done = home("import", tmp_path / "mail", "--to", "attic", "-q")
    assert (done.exit, done.out, done.err) == (0, b"", "")


def test_what_is_passed_over_is_told(home: CommandLine, tmp_path: Path) -> None:
    write_mbox(tmp_path / "mail" / "Old", mail("one"))
    (tmp_path / "mail" / "link").symlink_to(tmp_path)
    (tmp_path / "mail" / "notes.txt").write_text("hello\n")
    err = home("import", tmp_path / "mail", "--to", "attic").err
    assert 'link" is a link, and links are not followed' in err
    assert "1 file is no mail, and passed over" in err


def test_a_message_that_cannot_be_had_is_missed_told_and_had_the_next_time(
    home: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "good.eml").write_bytes(mail("good"))
    (folder / "bad.emlx").write_bytes(b"99999\nSubject: bad\n\n")
    done = home("import", folder, "--to", "attic")
    assert done.exit == 3
    assert '"bad.emlx": the length that it begins with is not that of its message' in done.err
    assert 'error: account "attic": 1 message missed' in done.err
    assert "hint: the rest is archived; mend what is told above" in done.err
    raw = mail("bad")
    (folder / "bad.emlx").write_bytes(b"%d\n" % len(raw) + raw)
    other = home("import", write_mbox(tmp_path / "x" / "saved", mail("other")), "--to", "attic")
    assert other.exit == 3  # what an earlier import missed is not forgotten for another path
    again = home("import", folder, "--to", "attic")
    assert "attic: 1 message imported" in again.err
    assert {each["subject"] for each in home("list", "attic", "--json").document["messages"]} == {
        "good",
        "bad",
        "other",
    }


# --- wrong words ----------------------------------------------------------------------------------------


def refused(done: Done) -> str:
    assert (done.exit, done.out) == (2, b""), done.err
    assert "hint: " in done.err
    return done.err.splitlines()[0]


def test_a_path_without_mail_is_refused_with_what_to_name(home: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello\n")
    (tmp_path / "outlook.pst").write_bytes(b"!BDN1234")
    os.mkfifo(tmp_path / "pipe")
    assert f'there is no "{tmp_path}/nothing"' in refused(home("import", tmp_path / "nothing", "--to", "a"))
    for name in ("empty", "text.txt", "pipe"):
        err = home("import", tmp_path / name, "--to", "a")
        assert err.exit == 2
        assert f'error: there is no mail in "{tmp_path}/{name}"' in err.err
    assert "readpst" in home("import", tmp_path / "outlook.pst", "--to", "a").err
    assert home("status").out == b""


def test_words_that_do_not_fit_are_refused(home: CommandLine, tmp_path: Path) -> None:
    file = write_mbox(tmp_path / "Old.mbox", mail("one"))
    assert "missing option" in refused(home("import", file))
    assert '"a/b" cannot be the name of an account' in refused(home("import", file, "--to", "a/b"))
    assert "mboxx" in refused(home("import", file, "--to", "a", "--form", "mboxx"))
    assert "no archive" in refused(home("import", file, "--to", "a", "--archive", "other"))


def test_mail_is_not_put_among_that_of_a_server(pulled: CommandLine, tmp_path: Path) -> None:
    file = write_mbox(tmp_path / "Old.mbox", mail("one"))
    why = 'account "ann" is of kind "imap"'
    assert why in refused(pulled("import", file, "--to", "ann"))
    assert pulled("account", "remove", "ann").exit == 0
    assert why in refused(pulled("import", file, "--to", "ann"))


# --- many imports into one account ----------------------------------------------------------------------


def subjects(home: CommandLine, name: str) -> dict[str, set[tuple[str, bool]]]:
    found: dict[str, set[tuple[str, bool]]] = {}
    for each in home("list", name, "--json").document["messages"]:
        found.setdefault(each["folder"], set()).add((each["subject"], each["on_server"]))
    return found


def test_one_import_adds_to_another_and_takes_nothing_away(home: CommandLine, tmp_path: Path) -> None:
    one, two, three = mail("one"), mail("two"), mail("three")
    write_mbox(tmp_path / "a" / "Old", one)
    write_mbox(tmp_path / "a" / "Other", two)
    write_mbox(tmp_path / "b" / "Old", three, two)
    write_maildir(tmp_path / "c" / "Old", one)
    for name in ("a", "b", "c", "b", "a"):
        done = home("import", tmp_path / name, "--to", "attic")
        assert done.exit == 0, done.err
        assert "not accounted for" not in done.err
    assert "0 messages imported" in done.err
    assert subjects(home, "attic") == {
        "Old": {("one", True), ("two", True), ("three", True)},
        "Other": {("two", True)},
    }
    status = home("folders", "attic", "--json").document["folders"]
    assert {each["folder"]: (each["messages"], each["gone"]) for each in status} == {
        "Old": (4, False),
        "Other": (1, False),
    }
    assert home("verify", "--read", "-q").exit == 0


def test_nothing_on_the_disk_is_changed(home: CommandLine, tmp_path: Path) -> None:
    folder = write_maildir(tmp_path / "Maildir", mail("one"))
    (folder / "new" / "1800000000.x").write_bytes(mail("two"))
    before = {path: path.lstat().st_ctime_ns for path in folder.rglob("*")}
    assert home("import", folder, "--to", "attic").exit == 0
    assert {path: path.lstat().st_ctime_ns for path in folder.rglob("*")} == before


def test_a_maildir_comes_out_as_it_went_in(home: CommandLine, tmp_path: Path) -> None:
    folder = write_maildir(tmp_path / "Maildir", mail("one"), mail("two", text="x\nFrom y\n"), info="2,FS")
    assert home("import", folder, "--to", "attic").exit == 0
    out = tmp_path / "out"
    assert home("export", "attic", "--to", "maildir", out).exit == 0

    def held(top: Path) -> list[tuple[bytes, str, int]]:
        files = sorted((top / "cur").iterdir())
        return [(file.read_bytes(), file.name.partition(":")[2], int(file.stat().st_mtime)) for file in files]

    assert held(out) == held(folder)


# --- files as an account --------------------------------------------------------------------------------


def test_an_account_in_files_is_added_and_kept_up_with(home: CommandLine, tmp_path: Path) -> None:
    folder = write_maildir(tmp_path / "Maildir", mail("one"), mail("two"))
    added = home("account", "add", "local", "--files", folder, "--exclude", "Trash")
    assert added.exit == 0, added.err
    assert f'read "{folder}": 1 folder' in added.err
    shown = home("account", "list", "--json").document["accounts"]
    assert (shown[0]["kind"], shown[0]["path"]) == ("files", str(folder))
    assert str(folder) in home("account", "list").text
    assert "local: 2 messages pulled" in home("pull").err
    assert "local: 0 messages pulled" in home("pull").err
    (folder / "cur" / "1700000000.M1P1.host:2,S").rename(folder / "cur" / "1700000000.M1P1.host:2,FS")
    (folder / "cur" / "1700000001.M1P1.host:2,S").unlink()
    (folder / "new" / "1800000000.x").write_bytes(mail("three"))
    assert "1 message pulled" in (err := home("pull").err)
    assert "1 with other flags, 1 no longer on the server" in err
    assert home("verify", "--server").exit == 0
    listed = {each["subject"]: each for each in home("list", "local", "--json").document["messages"]}
    assert listed["one"]["flags"] == ["\\Flagged", "\\Seen"]
    assert [listed[name]["on_server"] for name in ("one", "two", "three")] == [True, False, True]


def test_a_disk_that_is_not_mounted_is_not_an_empty_mailbox(home: CommandLine, tmp_path: Path) -> None:
    folder = write_maildir(tmp_path / "disk" / "Maildir", mail("one"))
    assert home("account", "add", "local", "--files", folder.parent).exit == 0
    assert home("pull", "-q").exit == 0
    folder.rename(tmp_path / "away")
    done = home("pull")
    assert done.exit == 20
    assert "hint: is its disk mounted" in done.err
    assert home("folders", "local", "--json").document["folders"][0]["gone"] is False


def test_words_about_a_server_do_not_go_with_files(home: CommandLine, tmp_path: Path) -> None:
    folder = write_maildir(tmp_path / "Maildir", mail("one"))
    assert "--imap does not go with --files" in refused(
        home("account", "add", "x", "--files", folder, "--imap", "imap.example.org")
    )
    assert "--port does not go with --files" in refused(
        home("account", "add", "x", "--files", folder, "--port", "993")
    )
    assert "--form goes with --files alone" in refused(
        home("account", "add", "x", "--imap", "h", "--user", "u", "--form", "mboxrd")
    )
    nowhere = home("account", "add", "x", "--files", tmp_path / "nothing")
    assert nowhere.exit == 20
    assert 'account "x" was not added' in nowhere.err


def test_imported_mail_is_restored_to_a_server_with_its_lines_and_not_twice(
    home: CommandLine, server: Dovecot, mailboxes: Mailboxes, tmp_path: Path
) -> None:
    one, two = mail("one"), mail("two", text="bare\n\nlines\n")
    file = write_mbox(tmp_path / "Old.mbox", one, two)
    user = mailboxes.new()
    write_account(home, server, "target", user)
    for name in ("attic", "again"):
        assert home("import", file, "--to", name).exit == 0
    assert "2 messages restored" in home("restore", "attic", "--to", "target").err
    assert "0 messages restored" in home("restore", "attic", "--to", "target").err
    assert "0 messages restored" in home("restore", "again", "--to", "target").err  # another ledger
    stored = server.doveadm("fetch", "-u", user, "size.virtual", "mailbox", "Old").decode()
    sizes = [int(word) for word in stored.split() if word.isdigit()]
    assert sizes == [len(one), len(two)]


def test_a_path_that_is_not_utf_8_is_taken_and_told(home: CommandLine, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Gr\xfc\xdfe"))
    assert home("import", path, "--to", "attic", "--json").error["code"] == "usage"
    write_mbox(path, mail("one"))
    done = home("import", path, "--to", "attic", "--json")
    assert done.exit == 0, done.err
    assert done.document["path"] == f"{tmp_path}/Gr%FC%DFe"
    assert list(subjects(home, "attic")) == ["Gr%FC%DFe"]
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    (folder / "below").mkdir(parents=True)
    assert home("import", folder, "--to", "attic", "--json").error["code"] == "usage"
    write_mbox(folder / "box", mail("two"))
    (folder / "link").symlink_to(folder)
    (folder / "a.eml").write_bytes(b"")
    told = home("import", folder, "--to", "attic")
    assert told.exit == 3
    assert '/%FF/link" is a link' in told.err


def test_nothing_is_pruned_from_files_nor_restored_into_them(home: CommandLine, tmp_path: Path) -> None:
    folder = write_maildir(tmp_path / "Maildir", mail("one"))
    assert home("account", "add", "local", "--files", folder).exit == 0
    assert home("pull", "-q").exit == 0
    for words in (("prune", "local", "--older-than", "1d", "--yes"), ("restore", "local")):
        done = home(*words)
        assert done.exit == 2, done.err
        assert 'account "local"' in done.err
        assert 'it is of kind "files"' in done.err
    assert len(list((folder / "cur").iterdir())) == 1
