"""What is published of `--json` is one thing: the schemas, the page about them, and what was published before.

That commands print what the schemas say is held by every test that types one: `tests/json_schemas.py`.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from archiver.errors import ArchiverError
from archiver.events import FolderFailed, MessageMissed, RunCommitted, Warned
from tests import json_schemas
from tests.house.test_docs import every
from tests.house.tracked import ROOT

PAGE = (ROOT / "docs" / "reference" / "json.md").read_text()
PUBLISHED = ROOT / "tests" / "house" / "json-published.txt"
CLI = ROOT / "archiver" / "cli"
TOLD_ONCE = {"head"}  # objects that the beginning of the page tells for all sections
TOLD_WITH = {"passphrase-remembered": "passphrase-changed", "passphrase-forgotten": "passphrase-changed"}
TOLD = (MessageMissed, FolderFailed, Warned, RunCommitted)  # the events that `Progress` prints
SHARED = {"schema", "type"}
EVENTS = {re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower() for kind in TOLD}


FILES = ("notice", "run-report")  # schemas of documents that are no output of a command


def documents() -> dict[str, str]:
    """Give where each type of document that a command prints stands in the schemas."""
    found: dict[str, str] = {}
    for stem in json_schemas.commands().values():
        for kind, place in json_schemas.kinds(stem).items():
            assert found.setdefault(kind, place) == place, f"{kind} is told twice"
    return found


def resolved(schema: dict[str, Any], stem: str) -> tuple[dict[str, Any], str]:
    """Follow a reference; give the schema and the name of its file."""
    if "$ref" not in schema:
        return schema, stem
    place = schema["$ref"] if not schema["$ref"].startswith("#") else f"{stem}.json{schema['$ref']}"
    return json_schemas.at(place), place.partition(".json")[0]


def word(schema: dict[str, Any], stem: str) -> str:
    """Say of what type a field is, as the page says it."""
    if schema.get("$ref", "").endswith(("/head", "/time")):
        return str(schema["$ref"]).rpartition("/")[2]
    schema, stem = resolved(schema, stem)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(word(each, stem) for each in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return "string"
    if schema["type"] == "array":
        return "array of strings" if word(schema["items"], stem) == "string" else "array"
    return schema["type"] if isinstance(schema["type"], str) else " or ".join(schema["type"])


def below(schema: dict[str, Any], stem: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Give what a schema holds in itself: the step to it, itself, and its file."""
    for each in schema.get("anyOf", ()):
        yield "", each, stem
    if "items" in schema:
        yield "[]", schema["items"], stem
    for name, each in schema.get("properties", {}).items():
        yield f".{name}", each, stem
    if isinstance(schema.get("additionalProperties"), dict):
        yield ".*", schema["additionalProperties"], stem


def flat(schema: dict[str, Any], stem: str, path: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Give a schema and all that it holds, each with the path to it."""
    schema, stem = resolved(schema, stem)
    yield path, schema, stem
    for step, each, file in below(schema, stem):
        yield from flat(each, file, path + step)


def fields(place: str) -> dict[str, dict[str, str]]:
    """Give the fields of each object in a document and their types, by the path to the object."""
    found: dict[str, dict[str, str]] = {}
    stem = place.partition(".json")[0]
    for path, schema, file in flat(json_schemas.at(place), stem):
        if "properties" in schema:
            of_this = {name: word(each, file) for name, each in schema["properties"].items()}
            found.setdefault(path, {}).update({name: of_this[name] for name in of_this if name not in SHARED})
    return found


def section(kind: str) -> str:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[kind]


def linked(anchor: str) -> str:
    """Give the section that a link of the page leads to."""
    headings = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return section(next(each for each in headings if each.strip("`").lower() == anchor))


def tables(text: str) -> list[dict[str, str]]:
    """Give the tables of fields in a section, each as name and type."""
    found: list[dict[str, str]] = []
    for table in re.findall(r"^\| Field \| Type \| Meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        rows = [[cell.strip() for cell in row.split("|")[1:3]] for row in table.splitlines()]
        found.append({name: kind for cell, kind in rows for name in re.findall(r"`(\w+)`", cell)})
    return found


def test_every_schema_is_one_of_draft_2020_12() -> None:
    for path in json_schemas.FOLDER.glob("*.json"):
        schema = json_schemas.at(f"{path.name}#")
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)


def test_every_field_is_always_there_and_more_may_come() -> None:
    for place, schema in json_schemas.objects():
        assert schema["required"] == list(schema["properties"]), place
        assert "additionalProperties" not in schema, place


def test_every_type_that_the_code_prints_is_published_and_no_other() -> None:
    printed = {"error", *EVENTS}
    for path in CLI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                printed |= {
                    str(value.value)
                    for key, value in pairs
                    if isinstance(key, ast.Constant)
                    and key.value == "type"
                    and isinstance(value, ast.Constant)
                }
    assert set(documents()) == printed


def test_the_page_says_what_each_command_prints() -> None:
    told = {
        command: (stem, set(re.findall(r"`([a-z-]+)`", kinds)))
        for command, stem, kinds in re.findall(
            r"^\| \[`([a-z ]+)`\]\(schemas/([a-z-]+)\.json\) \| (.+) \|$", PAGE, re.MULTILINE
        )
    }
    there = {
        command: (stem, set(json_schemas.kinds(stem)) - {"error"})
        for command, stem in json_schemas.commands().items()
    }
    assert told == there


def test_the_page_has_a_section_for_every_document_and_no_other() -> None:
    events = set(re.findall(r"^\| `([a-z-]+)` \|", section("Events"), re.MULTILINE))
    named = set(re.findall(r"^## `([a-z-]+)`$", PAGE, re.MULTILINE))
    assert events == EVENTS
    assert named | events | set(TOLD_WITH) == set(documents())


def test_the_events_have_the_fields_that_the_page_says() -> None:
    for kind, told in re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section("Events"), re.MULTILINE):
        (own, *_) = fields(documents()[kind]).values()
        assert set(re.findall(r"`(\w+)`", told)) == set(own), kind


@pytest.mark.parametrize(
    "kind", sorted(set(re.findall(r"^## `([a-z-]+)`$", PAGE, re.MULTILINE)) | set(TOLD_WITH))
)
def test_a_section_has_the_fields_of_its_document(kind: str) -> None:
    text = section(f"`{TOLD_WITH.get(kind, kind)}`")
    found = fields(documents()[kind])
    for other in re.findall(r"all fields of \[`([a-z-]+)`\]", text):
        of_other = fields(documents()[other])
        own = {name for table in tables(text) for name in table}
        found = {path: each for path, each in found.items() if each != of_other.get(path)}
        found[""] = {
            name: each for name, each in found[""].items() if name in own or name not in of_other[""]
        }
    told = tables(text)
    objects = [own for path, own in found.items() if path.rpartition(".")[2].rstrip("[]") not in TOLD_ONCE]
    others = [linked(anchor) for anchor in re.findall(r"\]\(#([a-z-]+)\)", text)]
    # where another section tells the rest, a table need not have all
    assert [
        table
        for table in told
        if table not in objects and not (others and any(table.items() <= own.items() for own in objects))
    ] == []
    told += [table for other in others for table in tables(other)]
    in_words = {name for own in objects if own not in told for name in own}
    words = "".join([text, *others])
    assert [name for name in in_words if f"`{name}`" not in words] == []


@pytest.mark.parametrize("file", FILES)
def test_the_page_names_what_notices_and_reports_have(file: str) -> None:
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    text = "".join(part for part in parts if part.startswith(("Notices", "`run-report`")))
    own = fields(f"{file}.json#")[""]
    assert [name for name in own if f"`{name}`" not in text] == []


def lines() -> set[str]:
    """Give what is published: a line for each field, for each value it may have, and for each type and code word."""
    found: set[str] = set()
    places = {**documents(), **{f"file {file}": f"{file}.json#" for file in FILES}}
    for kind, place in places.items():
        stem = place.partition(".json")[0]
        for path, schema, file in flat(json_schemas.at(place), stem):
            found.add(f"{kind}{path}: {word(schema, file)}")  # of a field that may be null, two
            found |= {f"{kind}{path} = {value}" for value in schema.get("enum", ())}
    for command, stem in json_schemas.commands().items():
        found |= {f"{command} prints {kind}" for kind in json_schemas.kinds(stem)}
    return found | {f"code {each.code} exits {each.exit}" for each in every(ArchiverError)}


def test_nothing_that_was_published_is_taken_away_or_becomes_another_thing() -> None:
    before = {line for line in PUBLISHED.read_text().splitlines() if not line.startswith("#")}
    assert before - lines() == set(), "programs of others read this: it has to stay"
    assert lines() - before == set(), f"new: add these lines to {PUBLISHED.name}"
