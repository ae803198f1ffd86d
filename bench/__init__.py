"""Measurements of archiver beside other programs: `make bench`."""
