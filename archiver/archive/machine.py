"""What one machine keeps of an archive outside of it: its writer key, and pins of all it has seen.

Pins are what makes a rolled-back archive visible: they are not a cache, and losing them loses that proof.
Everything is 0600 in a folder 0700, written by rename.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from archiver.archive.keys import KeyPair
from archiver.errors import Damaged, Locked, RefusedForSafety, StoreFailed
from archiver.formats import age
from archiver.model import EMPTY_HEAD, Head


class RootPin(Struct, frozen=True):
    """The last root seen: its number, the SHA-256 of its file, and its owner's public key."""

    number: int
    sha256: str
    owner: str


def claim_name(state: Path, name: str, archive: str, *, anew: bool = False) -> None:
    """Note which archive the user means by a name; raises `RefusedForSafety` where it meant another before.

    Pins are kept by archive: without this note, an exchanged archive would be one never seen. An archive
    that was just made takes over the name of one that the user has given up (`anew`).
    """
    note = Machine(state / "names")
    before = note.archive_named(name)
    if before is None or (anew and before != archive):
        note.name_archive(name, archive)
    elif before != archive:
        raise RefusedForSafety(
            f'"{name}" is another archive than the one this machine knows by that name',
            "it was exchanged or moved; if that is right, give it another name in the configuration",
        )


class Machine:
    """The state folder of one archive on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def writer(self) -> KeyPair | None:
        """Load this machine's writer key; None where it has none."""
        text = self._read("writer.key")
        return None if text is None else KeyPair(age.Identity.from_text(text.strip()), "writer")

    def make_writer(self) -> KeyPair:
        """Make and keep a new writer key, once: an existing one is given back."""
        found = self.writer()
        if found is not None:
            return found
        writer = KeyPair(age.Identity.generate(), "writer")
        self._write("writer.key", writer.line.reveal() + "\n")
        return writer

    def root_pin(self) -> RootPin | None:
        """Tell the last root seen; None before the first."""
        text = self._read("root.pin")
        if text is None:
            return None
        number, sha256, owner = self._words("root.pin", text, 3)
        return RootPin(int(number), sha256, owner)

    def pin_root(self, pin: RootPin) -> None:
        """Keep the last root seen."""
        if pin != self.root_pin():
            self._write("root.pin", f"{pin.number} {pin.sha256} {pin.owner}\n")

    def pin(self, chain: str) -> Head:
        """Tell the last head seen of a chain; `EMPTY_HEAD` before the first."""
        text = self._read(f"{chain}.pin")
        if text is None:
            return EMPTY_HEAD
        seq, sha256 = self._words(f"{chain}.pin", text, 2)
        return Head(int(seq), sha256)

    def pin_chain(self, chain: str, head: Head) -> None:
        """Keep the last head seen of a chain."""
        if head != self.pin(chain):
            self._write(f"{chain}.pin", f"{head.seq} {head.sha256}\n")

    def pinned_chains(self) -> list[str]:
        """List the chains this machine has seen."""
        return sorted(path.stem for path in self.folder.glob("*.pin") if path.stem != "root")

    def chain_of(self, account: str) -> str | None:
        """Tell which chain this machine writes for an account."""
        text = self._read(f"{account}.chain")
        return None if text is None else text.strip()

    def account_of(self, chain: str) -> str | None:
        """Tell for which account this machine writes a chain; None where it has no note of it."""
        noted = (path.stem for path in sorted(self.folder.glob("*.chain")))
        return next((account for account in noted if self.chain_of(account) == chain), None)

    def set_chain(self, account: str, chain: str) -> None:
        """Keep which chain this machine writes for an account."""
        self._write(f"{account}.chain", chain + "\n")

    def archive_named(self, name: str) -> str | None:
        """Tell which archive a name meant last."""
        text = self._read(f"{name}.archive")
        return None if text is None else text.strip()

    def name_archive(self, name: str, archive: str) -> None:
        """Keep which archive a name means."""
        self._write(f"{name}.archive", archive + "\n")

    def owner_tried(self) -> datetime | None:
        """Tell when the owner's key was last opened here; None where that is not known."""
        text = self._read("owner.tried")
        try:
            return datetime.fromisoformat(text.strip()).astimezone(UTC) if text else None
        except ValueError:
            return None  # a courtesy, and no proof of anything

    def note_owner_tried(self, at: datetime) -> None:
        """Keep when the owner's key was opened."""
        self._write("owner.tried", at.astimezone(UTC).isoformat(timespec="seconds") + "\n")

    def kept(self, name: str) -> str | None:
        """Read a private text that was kept; None where there is none."""
        return self._read(name)

    def keep(self, name: str, text: str) -> None:
        """Keep a private ASCII text: the new one is on the disk before the old one is gone."""
        self._write(name, text)

    def drop(self, name: str) -> bool:
        """Remove a private text; tell whether it was there."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreFailed(
                f'"{self.folder / name}" cannot be removed: {error.strerror}',
                "check the rights of its folder",
            ) from error
        return True

    @contextmanager
    def lock(self, account: str, wait_s: float = 0) -> Iterator[None]:
        """Hold an account's chain against other runs of this machine; a dead process holds nothing.

        Raises `Locked` where another process holds it for longer than `wait_s` seconds.
        """
        self._make_folder()
        descriptor = os.open(self.folder / f"{account}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _locked(descriptor, wait_s):
                raise Locked(
                    f'another run is working on account "{account}"',
                    "wait for it to end; a run that has died holds no lock",
                )
            yield
        finally:
            os.close(descriptor)

    def _words(self, name: str, text: str, count: int) -> list[str]:
        words = text.split()
        if len(words) != count or not words[0].isdecimal():
            raise Damaged(
                f'the pin "{self.folder / name}" cannot be read',
                "check the archive with `archiver verify`, then remove that file to pin anew",
            )
        return words

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text("ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreFailed(
                f'"{self.folder / name}" cannot be read: {error}', "check its rights"
            ) from error

    def _write(self, name: str, text: str) -> None:
        temporary = self.folder / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            self._make_folder()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
            self._sync_folder()
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreFailed(
                f'the state folder "{self.folder}" cannot be written: {error.strerror}',
                "check its rights and its disk",
            ) from error

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _locked(descriptor: int, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        else:
            return True
