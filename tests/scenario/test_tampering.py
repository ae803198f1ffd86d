"""An archive in the hands of somebody who may write to it: whatever is changed is found, named and refused."""

import copy
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from archiver.archive.archive import Archive, Founding, create
from archiver.archive.chain import Chain
from archiver.archive.keys import KeyPair
from archiver.archive.layout import LAYOUTS
from archiver.archive.machine import Machine, claim_name
from archiver.archive.roots import load_roots, next_root, sign_root
from archiver.archive.sealing import seal
from archiver.catalog.sqlite import SqliteCatalog
from archiver.errors import ArchiverError, Damaged, NoArchive, RefusedForSafety, RolledBack, WrongKey
from archiver.formats import age, frames, signify
from archiver.formats.index import encode_index
from archiver.formats.manifest import encode_manifest, manifest_key
from archiver.model import Finding, Head, Manifest
from archiver.ops.verify import find_affected
from archiver.ports import Label
from archiver.rows import MessageRow, VolumeRow
from tests.scene import PASSPHRASE, START, Scene, mail

RUNS = 3


@pytest.fixture(scope="module", params=LAYOUTS)
def made_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Three runs over two folders, each with volumes of its own."""
    scene = Scene(tmp_path_factory.mktemp("made") / "state", request.param)
    scene.server.create("Work")
    for run in range(RUNS):
        scene.server.deliver("INBOX", mail(f"in {run}", size=200))
        scene.server.deliver("Work", mail(f"work {run}", size=200))
        scene.pull()
    return scene


@pytest.fixture
def full(made_once: Scene, tmp_path: Path) -> Scene:
    """A copy of it, to be damaged."""
    return made_once.copy(tmp_path / "state")


def key_of(scene: Scene, role: str, run: int) -> str:
    return next(one.key for one in scene.manifests()[run - 1].objects if one.role == role)


def flip(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 0x04
    return bytes(changed)


def texts(findings: list[Finding]) -> str:
    return "\n".join(finding.what for finding in findings)


def fresh(scene: Scene, folder: Path) -> Scene:
    """The same archive, seen from a machine that has its key and has never seen the archive."""
    other = copy.copy(scene)
    other.state = folder
    folder.mkdir()
    shutil.copy(scene.state / "writer.key", folder)
    other.catalog = SqliteCatalog()
    return other


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda data: flip(data, 0),
    "a byte in the middle": lambda data: flip(data, len(data) // 2),
    "last byte": lambda data: flip(data, -1),
    "cut": lambda data: data[:-1],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"\0",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_volume_is_found_named_and_costs_its_own_messages_alone(full: Scene, change: str) -> None:
    key = key_of(full, "volume", 2)
    full.memory()[key] = CHANGES[change](full.memory()[key])
    report = full.verify()
    assert [finding.objects for finding in report.findings] == [(key,)]
    assert key in report.findings[0].what
    find_affected(report, full.entries())
    assert sum(report.affected.values()) == len([e for e in full.entries() if e.place.volume == key])
    reader = full.open(unlock=True).reader(full.catalog)
    for entry, found in reader.read_many(full.entries()):
        if entry.place.volume != key:
            assert isinstance(found, bytes)
        elif change == "longer":
            assert found == full.server.folders()[entry.ref.folder].messages[int(entry.ref.key)].raw
        else:
            assert isinstance(found, Damaged), change
            assert key in found.text


@pytest.mark.parametrize("place", range(0, 400, 39))
def test_any_changed_byte_of_a_volume_is_never_read_as_mail(full: Scene, place: int) -> None:
    key = key_of(full, "volume", 1)
    full.memory()[key] = flip(full.memory()[key], place % len(full.memory()[key]))
    sent = set(full.on_server().values())
    for _, found in full.open(unlock=True).reader(full.catalog).read_many(full.entries()):
        assert isinstance(found, Damaged) or found in sent
    assert len(full.damage()) == 1


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_index_is_found_and_refused_where_it_is_needed(full: Scene, change: str) -> None:
    key = key_of(full, "index", 2)
    full.memory()[key] = CHANGES[change](full.memory()[key])
    assert [finding.objects for finding in full.damage()] == [(key,)]
    full.forget_catalog()
    with pytest.raises(Damaged) as damaged:
        full.pull()
    assert damaged.value.exit == 13
    assert "run 2" in damaged.value.text
    assert full.catalog.head().seq == 1, "what stands before it is there"


@pytest.mark.parametrize("run", [1, 2, RUNS])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_manifest_is_found_and_refused(full: Scene, change: str, run: int, tmp_path: Path) -> None:
    key = manifest_key(full.chain().name, run)
    full.memory()[key] = CHANGES[change](full.memory()[key])
    found = full.damage()
    assert any(key in finding.objects for finding in found if finding.severity == "damage")
    assert f"run {run}" in texts(found) or run == RUNS
    if run == RUNS:
        with pytest.raises(RolledBack):
            full.pull()
    with pytest.raises(Damaged) as damaged:
        fresh(full, tmp_path / "fresh").pull()
    assert damaged.value.exit == 13
    reader = full.open(unlock=True).reader(full.catalog)
    assert all(isinstance(found, bytes) for _, found in reader.read_many(full.entries())), "mail reads still"


def test_any_changed_byte_of_a_manifest_is_found(full: Scene) -> None:
    key = manifest_key(full.chain().name, RUNS)
    kept = full.memory()[key]
    for place in range(0, len(kept), 3):
        full.memory()[key] = flip(kept, place)
        with pytest.raises(Damaged):
            full.pull()
        if place > kept.index(b"\n"):  # the comment is not signed, and the next manifest pins it
            (full.state / f"{full.chain().name}.pin").rename(full.state / "kept")
            with pytest.raises(Damaged):
                full.chain().head()
            (full.state / "kept").rename(full.state / f"{full.chain().name}.pin")


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_root_is_found_and_refused(full: Scene, change: str, tmp_path: Path) -> None:
    full.memory()["root/0001.root"] = CHANGES[change](full.memory()["root/0001.root"])
    with pytest.raises(RolledBack) as refused:
        full.pull()
    assert refused.value.exit == 13
    assert "root 1" in refused.value.text
    with pytest.raises(Damaged):
        Archive.open(full.store, Machine(tmp_path / "fresh"))


def test_a_removed_root_is_refused(full: Scene, tmp_path: Path) -> None:
    del full.memory()["root/0001.root"]
    with pytest.raises(RolledBack):
        full.pull()
    with pytest.raises(NoArchive):
        Archive.open(full.store, Machine(tmp_path / "fresh"))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_owner_key_does_not_open_and_the_recovery_line_does(full: Scene, change: str) -> None:
    full.memory()["keys/owner.age"] = CHANGES[change](full.memory()["keys/owner.age"])
    with pytest.raises((Damaged, WrongKey)):
        full.open().unlock(PASSPHRASE)
    archive = full.open()
    archive.unlock(full.owner.line)
    found = list(archive.reader(full.catalog).read_many(full.entries()))
    assert all(isinstance(one, bytes) for _, one in found)


def test_an_owner_key_of_somebody_else_is_refused(full: Scene) -> None:
    stranger = KeyPair(age.Identity.generate(), "owner")
    secret = stranger.line.reveal().encode()
    full.memory()["keys/owner.age"] = age.encrypt_with_passphrase(secret, PASSPHRASE, log_n=10)
    with pytest.raises(WrongKey):
        full.open().unlock(PASSPHRASE)


def test_a_removed_volume_is_found_and_its_neighbours_read(full: Scene) -> None:
    key = key_of(full, "volume", 2)
    del full.memory()[key]
    report = full.verify()
    assert texts(report.findings) == f'"{key}" is missing'
    for entry, found in full.open(unlock=True).reader(full.catalog).read_many(full.entries()):
        assert isinstance(found, Damaged if entry.place.volume == key else bytes)


def test_a_removed_index_is_found_and_refused(full: Scene) -> None:
    key = key_of(full, "index", 2)
    del full.memory()[key]
    assert texts(full.damage()) == f'"{key}" is missing'
    full.forget_catalog()
    with pytest.raises(Damaged) as damaged:
        full.pull()
    assert key in damaged.value.text


@pytest.mark.parametrize("role", ["volume", "index"])
def test_two_swapped_objects_are_both_found(full: Scene, role: str) -> None:
    one, two = key_of(full, role, 1), key_of(full, role, 2)
    objects = full.memory()
    objects[one], objects[two] = objects[two], objects[one]
    assert sorted(finding.objects for finding in full.damage()) == sorted([(one,), (two,)])
    full.forget_catalog()
    if role == "index":
        with pytest.raises(Damaged):
            full.pull()
        return
    full.pull()
    for entry, found in full.open(unlock=True).reader(full.catalog).read_many(full.entries()):
        assert isinstance(found, Damaged if entry.place.volume in (one, two) else bytes)


@pytest.mark.parametrize("run", [1, 2])
def test_a_removed_manifest_in_the_middle_is_found_and_refused(full: Scene, run: int) -> None:
    del full.memory()[manifest_key(full.chain().name, run)]
    assert f"the manifest of run {run} of chain" in texts(full.damage())
    assert f"run {RUNS} cannot be trusted" in texts(full.damage())
    with pytest.raises(Damaged) as damaged:
        full.pull()
    assert f"run {run} " in damaged.value.text


def test_a_removed_last_manifest_is_a_rollback(full: Scene, tmp_path: Path) -> None:
    del full.memory()[manifest_key(full.chain().name, RUNS)]
    with pytest.raises(RolledBack) as refused:
        full.pull()
    assert f"run {RUNS} " in refused.value.text
    assert f"run {RUNS} " in texts(full.damage())
    other = fresh(full, tmp_path / "fresh")
    assert other.chain().head().seq == RUNS - 1, "freshness is unproven on a machine that never saw it"


def test_a_replayed_manifest_is_found_and_refused(full: Scene, tmp_path: Path) -> None:
    name = full.chain().name
    full.memory()[manifest_key(name, 2)] = full.memory()[manifest_key(name, 1)]
    assert "belongs to another archive, chain or run" in texts(full.damage())
    full.memory()[manifest_key(name, RUNS + 1)] = full.memory()[manifest_key(name, RUNS)]
    with pytest.raises(Damaged):
        full.pull()


def test_an_archive_rolled_back_to_an_earlier_copy_is_refused_by_a_machine_that_knows_better(
    scene: Scene,
) -> None:
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    copy = dict(scene.memory())
    scene.server.deliver("INBOX", mail("two"))
    scene.pull()
    scene.memory().clear()
    scene.memory().update(copy)
    with pytest.raises(RolledBack) as refused:
        scene.pull()
    assert refused.value.exit == 13
    scene.forget_catalog()
    with pytest.raises(RolledBack):
        scene.pull()
    assert "run 2" in texts(scene.damage())


def test_a_rollback_that_goes_on_from_the_earlier_copy_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Another run 2 was written behind the same run 1, signed by the very key."""
    scene.server.deliver("INBOX", mail("one"))
    scene.pull()
    copy = dict(scene.memory())
    scene.server.deliver("INBOX", mail("two"))
    scene.pull()
    scene.memory().clear()
    scene.memory().update(copy)
    other = fresh(scene, tmp_path / "fresh")
    other.server.deliver("INBOX", mail("three"))
    other.pull()
    with pytest.raises(RolledBack) as refused:
        scene.pull()
    assert "is not the one that this machine has seen" in refused.value.text
    assert "is not the one that this machine has seen" in texts(scene.damage())


def test_a_removed_chain_is_found(full: Scene) -> None:
    name = full.chain().name
    for key in [key for key in full.memory() if key.startswith("chains/")]:
        del full.memory()[key]
    assert full.open().chains() == [name]
    assert "which this machine has seen, is missing" in texts(full.damage())
    with pytest.raises(RolledBack):
        full.pull()


def test_an_archive_exchanged_for_another_is_refused(full: Scene, tmp_path: Path) -> None:
    other = Scene(tmp_path / "other", full.layout)
    full.memory().clear()
    full.memory().update(other.memory())
    with pytest.raises(RolledBack) as refused:
        full.pull()
    assert refused.value.exit == 13


def test_an_archive_of_another_name_behind_a_known_name_is_refused(tmp_path: Path) -> None:
    claim_name(tmp_path, "home", "a" * 32)
    claim_name(tmp_path, "home", "a" * 32)
    with pytest.raises(RefusedForSafety) as refused:
        claim_name(tmp_path, "home", "b" * 32)
    assert refused.value.exit == 24


def forged_volume(scene: Scene, key: str, raw: bytes, row: VolumeRow) -> bytes:
    """Seal other mail under the same key with the public recipient, which anybody has."""
    layout = LAYOUTS[scene.layout]
    label = Label(1, "INBOX", "1001", "1", len(raw), hashlib.sha256(raw).hexdigest())
    packed = frames.pack([b"".join(layout.wrap(label, raw))])
    store = type(scene.store)()
    recipients = [age.Recipient.from_text(text) for text in scene.open().root.recipients]
    seal(store, "volume", key, [packed], recipients)
    assert row.key == key
    return store.get(key)


def test_a_volume_forged_with_the_public_recipient_is_found_and_refused(full: Scene) -> None:
    key = key_of(full, "volume", 1)
    entry = next(entry for entry in full.entries() if entry.place.volume == key)
    raw = full.read()[entry.ref]
    forged = raw.replace(b"in 0", b"in X").replace(b"work 0", b"work X")
    assert forged != raw
    full.memory()[key] = forged_volume(full, key, forged, full.catalog.volume(key))
    assert [finding.objects for finding in full.damage()] == [(key,)]
    with pytest.raises(Damaged):
        full.open(unlock=True).reader(full.catalog).read(entry)


def test_a_forged_volume_of_the_very_sizes_is_refused_by_its_digest(scene: Scene) -> None:
    """Nothing but the digest tells this one: label, frame and object are as long as they must be."""
    raw = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(10))
    scene.server.deliver("INBOX", raw)
    scene.pull()
    (entry,) = scene.entries()
    key, layout = entry.place.volume, LAYOUTS[scene.layout]
    row = scene.catalog.volume(key)
    payload = age.decrypt(scene.memory()[key], [scene.owner.identity])
    label, found = layout.unwrap(frames.unpack(payload[: row.frames[0].packed], row.frames[0].size))
    assert found == raw
    forged = next(
        packed
        for number in range(256)
        if bytes([number]) != raw[:1]
        for packed in [frames.pack([b"".join(layout.wrap(label, bytes([number]) + raw[1:]))])]
        if sum(map(len, packed)) == row.frames[0].packed
    )
    recipients = [age.Recipient.from_text(text) for text in scene.open().root.recipients]
    assert seal(scene.store, "volume", key, [forged], recipients).size == row.sealed
    with pytest.raises(Damaged, match="is not what was archived") as damaged:
        scene.open(unlock=True).reader(scene.catalog).read(entry)
    assert key in damaged.value.text
    report = scene.verify(messages=True)
    assert [finding.objects for finding in report.findings] == [(key,), (key,)]


def commit_as(scene: Scene, writer: KeyPair, **changes: object) -> Manifest:
    """Write the next manifest with any key and any lie."""
    archive = scene.open()
    chain = scene.chain(archive)
    before = list(chain.runs())[-1]
    follows = {"seq": before[0].seq + 1, "prev": before[1].sha256}
    manifest = msgspec.structs.replace(before[0], **(follows | changes))
    data = signify.sign_embedded(writer.signing, encode_manifest(manifest), "archiver manifest")
    scene.memory()[manifest_key(chain.name, manifest.seq)] = data
    return manifest


def test_a_manifest_signed_by_a_stranger_is_found_and_refused(full: Scene) -> None:
    commit_as(full, KeyPair(age.Identity.generate(), "writer"))
    assert f"run {RUNS + 1} of chain" in texts(full.damage())
    with pytest.raises(Damaged) as damaged:
        full.pull()
    assert f"run {RUNS + 1}" in damaged.value.text
    assert "unknown key" in damaged.value.text


def test_a_manifest_signed_by_the_owner_is_no_writers(full: Scene) -> None:
    commit_as(full, full.owner)
    with pytest.raises(Damaged):
        full.pull()


def writer_of(scene: Scene) -> KeyPair:
    writer = Machine(scene.state).writer()
    assert writer is not None
    return writer


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"prev": "1" * 64}, "does not follow the run before it"),
        ({"chain": "abcdefgh"}, "another archive, chain or run"),
        ({"archive": "0" * 32}, "another archive, chain or run"),
        ({"root": 2}, "names root 2"),
        ({"root_sha256": "1" * 64}, "names root 1"),
    ],
)
def test_a_manifest_that_lies_about_its_place_is_refused_though_well_signed(
    full: Scene, lie: dict[str, object], words: str
) -> None:
    writer = writer_of(full)
    commit_as(full, writer, **lie)
    assert words in texts(full.damage())
    with pytest.raises(Damaged, match=words):
        full.pull()


def test_a_manifest_that_names_another_chains_object_is_refused(full: Scene) -> None:
    key = key_of(full, "volume", 1)
    sealed = next(one for one in full.manifests()[0].objects if one.key == key)
    lie = msgspec.structs.replace(sealed, key=key.replace(full.chain().name, "abcdefgh"))
    commit_as(full, writer_of(full), objects=(lie,))
    with pytest.raises(Damaged, match="another chain"):
        full.pull()


def test_a_second_root_signed_by_a_stranger_is_refused(full: Scene, tmp_path: Path) -> None:
    stranger = KeyPair(age.Identity.generate(), "owner")
    roots = load_roots(full.store, None)
    takeover = msgspec.structs.replace(
        next_root(roots, START), owner=stranger.public_key, recipients=(stranger.recipient,)
    )
    full.memory()["root/0002.root"] = sign_root(takeover, stranger)
    for machine in (Machine(full.state), Machine(tmp_path / "fresh")):
        with pytest.raises(Damaged):
            Archive.open(full.store, machine)


def test_a_second_root_that_does_not_follow_is_refused(full: Scene) -> None:
    roots = load_roots(full.store, None)
    for lie in ({"prev": "0" * 64}, {"number": 3}, {"archive": "1" * 32}, {"layout": "other"}):
        root = msgspec.structs.replace(next_root(roots, START), **lie)
        full.memory()["root/0002.root"] = sign_root(root, full.owner)
        with pytest.raises(Damaged):
            full.open()


def second_writer(scene: Scene, folder: Path) -> tuple[Archive, KeyPair]:
    archive = Archive.open(scene.store, Machine(folder))
    archive.unlock(scene.owner.line)
    archive.add_writer("second", scene.clock)
    writer = Machine(folder).writer()
    assert writer is not None
    return archive, writer


def test_a_second_writer_is_let_in_by_the_owner_and_keeps_a_chain_of_its_own(
    full: Scene, tmp_path: Path
) -> None:
    second_writer(full, tmp_path / "second")
    full.pull()
    other = fresh(full, tmp_path / "third")
    shutil.copy(tmp_path / "second" / "writer.key", other.state)
    assert other.pull().complete
    assert len(full.open().chains()) == 2
    full.check()
    other.check()
    assert full.open().root.number == 2


def test_a_run_under_an_older_root_is_refused_once_a_newer_one_was_used(full: Scene, tmp_path: Path) -> None:
    """Else a writer who was shut out goes on under the root that let him in, on a machine with a pin."""
    second_writer(full, tmp_path / "second")
    full.server.deliver("INBOX", mail("under the second root"))
    full.pull()
    first = next(run for run in full.manifests() if run.root == 1)
    commit_as(full, writer_of(full), root=1, root_sha256=first.root_sha256)
    assert "older root" in texts(full.damage())
    with pytest.raises(Damaged, match="older root"):
        full.pull()


def test_a_rolled_back_root_is_refused(full: Scene, tmp_path: Path) -> None:
    second_writer(full, tmp_path / "second")
    full.open()
    del full.memory()["root/0002.root"]
    with pytest.raises(RolledBack):
        full.pull()


def test_a_writer_who_is_not_named_may_not_write(full: Scene, tmp_path: Path) -> None:
    other = fresh(full, tmp_path / "fresh")
    Machine(tmp_path / "alone").make_writer()
    shutil.copy(tmp_path / "alone" / "writer.key", other.state)
    with pytest.raises(ArchiverError) as refused:
        other.pull()
    assert refused.value.exit == 24


def test_a_writer_of_a_taken_name_is_refused(full: Scene, tmp_path: Path) -> None:
    archive = Archive.open(full.store, Machine(tmp_path / "second"))
    archive.unlock(full.owner.line)
    with pytest.raises(RefusedForSafety):
        archive.add_writer("machine", full.clock)


def test_no_archive_is_made_where_something_is(full: Scene, tmp_path: Path) -> None:
    founding = Founding("1" * 32, full.layout, "machine", START, log_n=10)
    before = dict(full.memory())
    with pytest.raises(RefusedForSafety, match="archive here already"):
        create(full.store, Machine(tmp_path / "new"), founding, PASSPHRASE)
    assert full.memory() == before
    del full.memory()["root/0001.root"]
    with pytest.raises(RefusedForSafety, match="not empty"):
        create(full.store, Machine(tmp_path / "new"), founding, PASSPHRASE)


def test_a_message_of_a_damaged_object_in_a_name_with_colons_is_counted(scene: Scene) -> None:
    """Names of layout maildir hold colons and commas; what is affected is found all the same."""
    scene.server.deliver("INBOX", mail("one"), flags=["\\Seen"])
    scene.pull()
    (entry,) = scene.entries()
    row = scene.catalog.volume(entry.place.volume)
    scene.memory()[entry.place.volume] = forged_volume(scene, entry.place.volume, mail("two"), row)
    report = scene.verify(messages=True)
    report.findings = [finding for finding in report.findings if "cannot be read" in finding.what]
    find_affected(report, scene.entries())
    assert report.affected == {"INBOX": 1}


def test_an_index_row_that_points_out_of_the_archive_reads_nothing(full: Scene) -> None:
    """A writer may sign garbage; it reads as damage, and nothing outside is touched."""
    rows = [row for row in full.rows() if isinstance(row, MessageRow)][:1]
    for volume in ("../../secret", "/secret", "keys/owner.age", "root/0001.root", "README.txt"):
        bad = msgspec.structs.replace(rows[0], volume=volume, key=volume)
        frame = VolumeRow(volume, 100, full.catalog.volume(rows[0].volume).frames)
        head = full.catalog.head()
        full.catalog.apply(Head(head.seq + 1, "f" * 64), [bad, frame])
        entry = next(entry for entry in full.entries() if entry.place.volume == volume)
        with pytest.raises(ArchiverError):
            full.open(unlock=True).reader(full.catalog).read(entry)


def test_a_signed_index_of_garbage_rows_is_damage(full: Scene) -> None:
    archive = full.open()
    chain = full.chain(archive)
    good = next(row for row in full.rows() if isinstance(row, MessageRow))
    header = full.catalog.header()
    assert header is not None
    header = msgspec.structs.replace(header, seq=RUNS + 1)
    for bad in (
        msgspec.structs.replace(good, sha256="not hex"),
        msgspec.structs.replace(good, size=1 << 80),
        msgspec.structs.replace(good, offset=-(1 << 70)),
    ):
        key = f"chains/{chain.name}/indexes/{RUNS + 1:08d}-00000000.index.zst.age"
        recipients = [writer_of(full).identity.recipient]
        try:
            text = encode_index(header, [bad])
        except (OverflowError, ValueError):
            continue
        sealed = seal(full.store, "index", key, [frames.pack([text])], recipients)
        commit_as(full, writer_of(full), objects=(sealed,))
        with pytest.raises(Damaged):
            full.pull()
        del full.memory()[manifest_key(chain.name, RUNS + 1)]
        (full.state / f"{chain.name}.pin").unlink(missing_ok=True)


def test_the_chain_is_one_that_begins_with_its_first_run(full: Scene) -> None:
    chain: Chain = full.chain()
    assert chain.numbers() == [1, 2, 3]
    assert [manifest.seq for manifest, _ in chain.runs()] == [1, 2, 3]
