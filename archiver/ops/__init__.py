"""The verbs, one file each; they know only the doors in `ports`."""
