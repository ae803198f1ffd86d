"""The local cache of an archive's indexes; deleting it loses nothing."""
