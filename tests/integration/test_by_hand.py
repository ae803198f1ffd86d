"""An archive is recovered without archiver: by the script in its README.txt and the programs that it names."""

import hashlib
import mailbox
import os
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from archiver.stores.local import LocalStore
from tests.contract.layout import HOSTILE
from tests.require import require
from tests.scene import LAYOUTS, Scene, mail

# age, zstd and signify, and what every system has (coreutils, sed, grep, findutils)
PROGRAMS = ["age", "zstd", "signify"]
USUAL = "sh sha256sum cut sed grep head tail wc cat cp mv rm mkdir basename dirname find printf sort".split()


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """An environment with those programs alone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in [*PROGRAMS, *USUAL]:
        path = Path(require(program))
        (folder / ("signify-openbsd" if program == "signify" else program)).symlink_to(path)
    return {"PATH": str(folder), "HOME": str(tmp_path)}


@pytest.fixture(scope="module", params=LAYOUTS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("by hand")  # with a space in its name
    scene = Scene(folder / "state", request.param, LocalStore(folder / "my archive"))
    scene.server.create("Archive/2024 \u00fc")
    for number, raw in enumerate(HOSTILE.values()):
        scene.server.deliver("INBOX" if number % 2 else "Archive/2024 \u00fc", raw, flags=["\\Seen", "a b"])
    scene.pull()
    scene.server.deliver("INBOX", HOSTILE["empty"])  # a copy of what is held
    scene.server.deliver("INBOX", mail("a later run"))
    scene.pull()
    return scene


def folder_of(scene: Scene) -> Path:
    assert isinstance(scene.store, LocalStore)
    return scene.store.folder


def recover(
    archive: Path, scene: Scene, work: Path, tools: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Do what README.txt says: cut the script out of it, run it."""
    readme = (archive / "README.txt").read_text()
    command = next(line for line in readme.splitlines() if line.startswith("  sed -n"))
    (work / "identity").write_text(scene.owner.line.reveal() + "\n")
    (work / "README.txt").write_text(readme)
    shell = [f"{tools['PATH']}/sh", "-c"]
    subprocess.run([*shell, command], cwd=work, env=tools, check=True, timeout=60)
    run = f"sh recover.sh '{archive}' identity out"
    return subprocess.run(
        [*shell, run], cwd=work, env=tools, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_message_is_recovered_to_the_byte(made: Scene, tmp_path: Path, tools: dict[str, str]) -> None:
    done = recover(folder_of(made), made, tmp_path, tools)
    assert done.returncode == 0, done.stderr
    sent = {hashlib.sha256(raw).hexdigest(): raw for raw in made.on_server().values()}
    found = {path.stem: path.read_bytes() for path in (tmp_path / "out" / "messages").iterdir()}
    assert found == sent
    assert f"recovered {len(sent)} messages" in done.stdout
    listed = [line.split("\t") for line in (tmp_path / "out" / "messages.tsv").read_text().splitlines()]
    assert {digest for digest, *_ in listed} == set(sent)
    folders = {urllib.parse.unquote(folder) for _, folder, *_ in listed}
    assert folders == {"1:INBOX", "2:Archive/2024 \u00fc"}
    assert not (tmp_path / "out" / ".work").exists(), "the identity is not left behind"
    rows = b"".join(path.read_bytes() for path in (tmp_path / "out" / "index").iterdir())
    assert rows.count(b'{"row":"message"') == len(made.on_server())


def mailsplit(box: Path, folder: Path) -> list[bytes]:
    folder.mkdir()
    split = [require("git"), "mailsplit", "--keep-cr", "--mboxrd", f"-o{folder}", str(box)]
    environment = {**os.environ, "HOME": str(folder)}
    subprocess.run(split, check=True, capture_output=True, timeout=60, env=environment)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def test_the_decrypted_mbox_is_one_that_mail_programs_open(tmp_path: Path, tools: dict[str, str]) -> None:
    scene = Scene(tmp_path / "state", "mbox", LocalStore(tmp_path / "archive"))
    sent = [raw for name, raw in HOSTILE.items() if name not in ("20 MiB", "NUL", "8 bit")]
    for raw in sent:
        scene.server.deliver("INBOX", raw)
    scene.pull()
    assert recover(folder_of(scene), scene, tmp_path, tools).returncode == 0
    box = tmp_path / "out" / "mail.mbox"
    found = mailbox.mbox(box, create=False)
    assert len(found) == len(sent)
    assert all(message["X-Archiver"].startswith("1 folder=1:INBOX") for message in found)
    found.close()
    pieces = mailsplit(box, tmp_path / "split")
    assert len(pieces) == len(sent)
    for raw, piece in zip(sent, pieces, strict=True):
        separator, head, rest = piece.split(b"\n", 2)
        assert separator.startswith(b"From ")
        assert head.startswith(b"X-Archiver: 1 ")
        assert rest.startswith(raw)


def test_the_decrypted_maildir_is_one_that_mail_programs_open(tmp_path: Path, tools: dict[str, str]) -> None:
    scene = Scene(tmp_path / "state", "maildir", LocalStore(tmp_path / "archive"))
    scene.server.create("Work")
    scene.server.deliver("INBOX", mail("one"), flags=["\\Seen", "\\Answered"])
    scene.server.deliver("Work", mail("two"), flags=["\\Flagged"])
    scene.pull()
    assert recover(folder_of(scene), scene, tmp_path, tools).returncode == 0
    for number, subject, flags in ((1, "one", "RS"), (2, "two", "F")):
        box = mailbox.Maildir(tmp_path / "out" / "maildir" / f"f{number:04}", create=False)
        (message,) = list(box)
        assert message["Subject"] == subject
        assert message.get_flags() == flags
        box.close()


def test_one_volume_is_opened_by_one_line(made: Scene, tmp_path: Path, tools: dict[str, str]) -> None:
    archive = folder_of(made)
    (tmp_path / "identity").write_text(made.owner.line.reveal() + "\n")
    entry = made.entries()[0]
    command = f"age -d -i identity '{archive / entry.place.volume}' | zstd -d"
    shell = [f"{tools['PATH']}/sh", "-c", command]
    done = subprocess.run(shell, cwd=tmp_path, env=tools, capture_output=True, timeout=60, check=True)
    assert b"X-Archiver: 1 folder=" in done.stdout


def copied(scene: Scene, folder: Path) -> Path:
    subprocess.run(["cp", "-r", str(folder_of(scene)), str(folder)], check=True, timeout=60)
    return folder


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("volume", "objects are damaged"),
        ("index", "objects are damaged"),
        ("removed volume", "objects are damaged"),
        ("manifest", "is not signed by a writer"),
        ("removed manifest", "is missing in"),
        ("root", "is not signed by the owner"),
        ("foreign manifest", "is not signed by a writer"),
        ("replayed manifest", "is out of order"),
        ("removed archive", "no archive in"),
        ("wrong identity", "does not open"),
    ],
)
def test_a_damaged_archive_is_refused_loudly(
    made: Scene, tmp_path: Path, tools: dict[str, str], what: str, words: str
) -> None:
    archive = copied(made, tmp_path / "copy")
    runs = made.manifests()
    name = made.chain().name
    manifests = [archive / f"chains/{name}/manifests/{number:08}.manifest" for number in (1, 2)]
    objects = {one.role: archive / one.key for one in runs[0].objects}
    match what:
        case "volume" | "index":
            changed(objects[what])
        case "removed volume":
            objects["volume"].unlink()
        case "manifest":
            manifests[1].write_bytes(manifests[1].read_bytes().replace(b"kind run", b"kind prune"))
        case "removed manifest":
            manifests[0].unlink()
        case "root":
            root = archive / "root/0001.root"
            root.write_bytes(root.read_bytes().replace(b"writer machine ", b"writer Machine "))
        case "foreign manifest":
            other = Scene(tmp_path / "state", made.layout)
            other.server.deliver("INBOX", mail("foreign"))
            other.pull()
            foreign = other.memory()[f"chains/{other.chain().name}/manifests/00000001.manifest"]
            mine = manifests[0].read_bytes().splitlines()
            lines = foreign.splitlines()
            lines[7] = next(line for line in mine if line.startswith(b"root "))
            manifests[0].write_bytes(b"\n".join(lines) + b"\n")
        case "replayed manifest":
            manifests[1].write_bytes(manifests[0].read_bytes())
        case "removed archive":
            (archive / "root/0001.root").unlink()
    scene = made
    if what == "wrong identity":
        scene = Scene(tmp_path / "other", made.layout)
    done = recover(archive, scene, tmp_path, tools)
    assert done.returncode != 0
    assert words in done.stderr, done.stderr
    assert "recovered" not in done.stdout


def test_the_script_in_the_readme_is_the_script_of_the_package(made: Scene) -> None:
    text = (folder_of(made) / "README.txt").read_text()
    script = (Path(__file__).parents[2] / "archiver/archive/recover.sh").read_text()
    assert text.endswith(script)
    assert "AGE-SECRET-KEY-1Q" not in text
