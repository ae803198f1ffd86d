"""Measurements of archiver beside other programs: `make bench`, or `python -m bench --help`.

Only ratios count, and only those of one run: archiver and its peer take turns on one machine, in front of one
server, and the table gives the median of the rounds. Every row says what may be reached at most.
"""
