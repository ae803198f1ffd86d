"""Mail in files on this machine: Maildir, mbox in its dialects, single messages, calendars and contacts."""
