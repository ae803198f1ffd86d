"""Where archiver keeps its configuration, its state and its caches."""

import os
from pathlib import Path

from archiver.errors import ArchiverError


def locate(flag: str | Path | None = None) -> Path:
    """Tell where the configuration is or would be: `--config`, else ARCHIVER_CONFIG, else the usual place."""
    named = flag or os.environ.get("ARCHIVER_CONFIG")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - help needs no folder, and must be quick

    return platformdirs.user_config_path("archiver", appauthor=False) / "config.toml"


def state_folder() -> Path:
    """Give the folder for what this machine remembers (ARCHIVER_STATE_DIR overrides); made 0700 at need."""
    return private_folder(state_path())


def state_path() -> Path:
    """Tell where that folder is or would be."""
    import platformdirs  # noqa: PLC0415 - as above

    named = os.environ.get("ARCHIVER_STATE_DIR")
    default = platformdirs.user_state_path("archiver", appauthor=False)
    return Path(named).expanduser().absolute() if named else default


def cache_folder() -> Path:
    """Give the folder for what can be rebuilt from the archive; made 0700 at need."""
    return private_folder(cache_path())


def cache_path() -> Path:
    """Tell where that folder is or would be."""
    import platformdirs  # noqa: PLC0415 - as above

    return platformdirs.user_cache_path("archiver", appauthor=False)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter; one that is there stays as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ArchiverError(
            f'the folder "{path}" cannot be made: {error.strerror}', "check the rights of the folder above it"
        ) from error
    return path
