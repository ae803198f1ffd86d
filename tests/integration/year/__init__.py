"""A year of nights: what happened to a mailbox each day, what went wrong each night, and what must be told of it."""
