"""archiver doctor: each check as it is where all is well, and turned to fail."""

from typing import Any

from tests.command_line import CommandLine, Done


def checks(done: Done) -> list[dict[str, Any]]:
    found = done.lines[0]
    assert found["type"] == "doctor"
    assert found["failed"] == sum(one["state"] == "fail" for one in found["checks"])
    assert found["warned"] == sum(one["state"] == "warn" for one in found["checks"])
    checked: list[dict[str, Any]] = found["checks"]
    return checked


def one(done: Done, name: str) -> dict[str, Any]:
    (found,) = [check for check in checks(done) if check["name"] == name]
    return found


def test_all_is_well_but_the_certificate_of_a_day(pulled: CommandLine) -> None:
    done = pulled("doctor", "--json")
    assert done.exit == 0, done.err
    states = {check["name"]: check["state"] for check in checks(done)}
    assert states.pop("tls") == "warn"
    assert states == dict.fromkeys(
        ["configuration", "configuration rights", "state rights", "cache rights", "archive", "space", "root", "writer", "store", "pins", "catalog", "clock", "owner-key", "name", "connect", "login", "ability", "folders"],
        "ok",
    )
