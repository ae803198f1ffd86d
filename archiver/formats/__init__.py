"""Pure formats: bytes to values and back; each file is the only door to its library."""
