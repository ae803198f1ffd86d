"""What `--json` prints, held to the published schemas: with nothing that they do not name, for tests.

The files allow more keys, since versions to come may add some; here each object is closed, so that what is printed and
what is published are the same. Which of their objects were met is written down in `met`.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).parents[1] / "docs" / "reference" / "schemas"
SHARED = "definitions"  # holds what several commands print; no command has this name
met: set[str] = set()
"""Objects of the schemas that something printed was held to, as `pull.json#/$defs/pull`."""
printed: set[tuple[str, str]] = set()
"""Names of schemas, and the types of what was held to them."""


def commands() -> dict[str, str]:
    """Give the words of each command that has a schema, and the name of its file."""
    found = {path.stem: _read(path.stem)["title"].split() for path in sorted(FOLDER.glob("*.json"))}
    return {
        " ".join(title[1:-1]): stem
        for stem, title in found.items()
        if (title[0], title[-1]) == ("archiver", "--json")
    }


def kinds(stem: str) -> dict[str, str]:
    """Give where in the schemas each type of document stands that the schema of this file allows."""
    schema = _read(stem)
    places = (
        [_absolute(each["$ref"], stem) for each in schema["oneOf"]] if "oneOf" in schema else [f"{stem}.json"]
    )
    return {at(place)["properties"]["type"]["const"]: place for place in places}


def at(place: str) -> dict[str, Any]:
    """Give the schema at a place: the name of a file, and a JSON pointer (RFC 6901) without escapes."""
    name, _, pointer = place.partition("#")
    found: Any = _read(name.removesuffix(".json"))
    for part in pointer.split("/")[1:]:
        found = found[part]
    assert isinstance(found, dict)
    return found


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every object with named keys in all schemas, with its place."""
    for path in sorted(FOLDER.glob("*.json")):
        yield from _objects(_read(path.stem), f"{path.name}#")


def check(words: Sequence[str], out: bytes) -> None:
    """Hold the lines that a command printed to its schema. Raises `AssertionError`."""
    known = commands()
    stem = known.get(" ".join(words[:2])) or known.get(" ".join(words[:1])) or SHARED
    allowed = kinds(stem) if stem != SHARED else {"error": f"{SHARED}.json#/$defs/error"}
    for line in out.splitlines():
        document = json.loads(line)
        kind = document.get("type")
        assert kind in allowed, f"{stem}.json does not name the type {kind!r}: {line.decode()}"
        check_document(allowed[kind], document)
        printed.add((stem, kind))


def check_document(place: str, document: Any) -> None:
    """Hold a document to a place in the schemas. Raises `AssertionError`."""
    problems = [f"{each.json_path}: {each.message}" for each in _validator(place).iter_errors(document)]
    assert problems == [], f"not as {place} says: {json.dumps(document)}"


@cache
def _read(stem: str) -> dict[str, Any]:
    found = json.loads((FOLDER / f"{stem}.json").read_bytes())
    assert isinstance(found, dict)
    return found


@cache
def _validator(place: str) -> Any:
    resources = [
        (path.name, DRAFT202012.create_resource(_closed(_read(path.stem), f"{path.name}#")))
        for path in FOLDER.glob("*.json")
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    kind = validators.extend(Draft202012Validator, {"x-met": _note})
    return kind({"$ref": place}, registry=registry)


def _note(_validator: Any, meeting: dict[str, Any], instance: Any, _schema: Any) -> Iterator[Any]:
    """Write down that an object was met; a keyword of jsonschema that finds nothing wrong."""
    if isinstance(instance, dict) and sorted(instance) == meeting["keys"]:
        met.add(meeting["place"])
    yield from ()


def _closed(schema: Any, place: str) -> Any:
    """Give a schema that allows no key that it does not name."""
    if isinstance(schema, list):
        return [_closed(each, f"{place}/{number}") for number, each in enumerate(schema)]
    if not isinstance(schema, dict):
        return schema
    # without its dialect, which would bring back a validator that knows no x-met
    made = {key: _closed(value, f"{place}/{key}") for key, value in schema.items() if key != "$schema"}
    if _is_object(schema):
        made |= {
            "additionalProperties": False,
            "x-met": {"place": place, "keys": sorted(schema["properties"])},
        }
    return made


def _objects(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if _is_object(schema):
            yield place, schema
        for key, value in schema.items():
            yield from _objects(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _objects(each, f"{place}/{number}")


def _is_object(schema: dict[str, Any]) -> bool:
    return isinstance(schema.get("properties"), dict) and schema.get("type") == "object"


def _absolute(reference: str, stem: str) -> str:
    return f"{stem}.json{reference}" if reference.startswith("#") else reference
