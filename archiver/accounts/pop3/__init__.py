"""POP3: one folder, no flags, no dates, and messages that are known by the server's ids or by their content."""
