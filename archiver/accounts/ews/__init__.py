"""Exchange by Exchange Web Services. All use of exchangelib is in this room, which is imported on use."""

from importlib.util import find_spec

from archiver.errors import ConfigInvalid


def check_installed() -> None:
    """Raise `ConfigInvalid` where exchangelib, which the rest of this room needs, is not installed."""
    if find_spec("exchangelib") is None:
        raise ConfigInvalid(
            "Exchange needs the package exchangelib, which is not installed", "pip install 'archiver[exchange]'"
        )
