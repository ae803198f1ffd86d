"""IMAP (RFC 9051, RFC 3501): session, wire reader, synchronisation, quirks."""
