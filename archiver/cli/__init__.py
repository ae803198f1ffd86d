"""The command line: one file per command; renders what the verbs report."""
