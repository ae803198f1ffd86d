"""What items other than mail are called, and which files they can be written as."""

from archiver.model import Kind

ITEMS = {Kind.EVENT: "events", Kind.CONTACT: "contacts", Kind.TASK: "tasks", Kind.NOTE: "notes"}

FILES = {Kind.EVENT: "ics", Kind.CONTACT: "vcf", Kind.TASK: "ics", Kind.NOTE: "txt"}
"""The words for `export --to` that write them."""
