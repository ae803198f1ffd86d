"""README.txt of an archive: how to check and recover it without archiver."""

from archiver.formats.root import Root

_TEXT = """\
This folder is a mail archive, made by archiver (format version 1).
archive {archive}, layout {layout}, owner key {owner}

Nothing in it is readable without the owner's key: the passphrase of keys/owner.age, or the recovery line
(AGE-SECRET-KEY-1...) that was shown once, when the archive was made.

  root/       who owns the archive and who may write; signed (signify)
  keys/       the owner's key under its passphrase (age)
  chains/     one folder for each account and machine:
    manifests/  one for each run, signed (signify); names every object with its SHA-256, and the run before
    indexes/    what each run recorded: JSON lines, compressed (zstd), encrypted (age)
    volumes/    the mail: mboxrd, compressed (zstd), encrypted (age)        (layout mbox)
    maildir/    the mail: one message a file, compressed, encrypted         (layout maildir)

With archiver:      archiver verify, archiver list, archiver export
Without archiver:   the script below needs age, zstd, signify (Debian: signify-openbsd) and a shell. Cut it
out of this file, then run it:

  sed -n '/^#!\\/bin\\/sh/,$p' README.txt > recover.sh
  sh recover.sh THIS-FOLDER IDENTITY-FILE NEW-FOLDER

One volume alone, without any check:
  age -d -i IDENTITY-FILE chains/*/volumes/NAME.mbox.zst.age | zstd -d > mail.mbox

------------------------------------------------------------------------------------------------------
"""


def recovery_script() -> str:
    """Give the script that recovers an archive with age, zstd, signify and a shell alone."""
    from importlib.resources import files  # noqa: PLC0415 -- wanted once in an archive's life

    return files("archiver.archive").joinpath("recover.sh").read_text("ascii")


def readme(root: Root) -> bytes:
    """Write README.txt for an archive; it holds no secret."""
    text = _TEXT.format(archive=root.archive, layout=root.layout, owner=root.owner)
    return (text + recovery_script()).encode("ascii")
