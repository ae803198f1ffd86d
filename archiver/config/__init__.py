"""The only reader and writer of the configuration file: TOML in, frozen settings out.

The keys are documented in docs/reference/configuration.md, which a test compares with this code.
"""

from archiver.config.places import cache_folder, cache_path, locate, state_folder, state_path
from archiver.config.reader import load, parse
from archiver.config.settings import (
    AccountSettings,
    ArchiveSettings,
    MailSettings,
    NotifySettings,
    OAuthSettings,
    Security,
    Settings,
)
from archiver.config.writer import (
    add_account,
    add_archive,
    check_account,
    check_archive,
    remove_account,
)

__all__ = [
    "AccountSettings",
    "ArchiveSettings",
    "MailSettings",
    "NotifySettings",
    "OAuthSettings",
    "Security",
    "Settings",
    "add_account",
    "add_archive",
    "cache_folder",
    "cache_path",
    "check_account",
    "check_archive",
    "load",
    "locate",
    "parse",
    "remove_account",
    "state_folder",
    "state_path",
]
