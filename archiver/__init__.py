"""archiver: pull mail into encrypted, signed archives; check, read back, restore, prune."""

__version__ = "0.1.0"
