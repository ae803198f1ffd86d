"""The archive on a store: roots, chains, sealing, reading."""
