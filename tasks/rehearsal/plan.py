"""The plan of a rehearsal server from a TOML file and from the short forms of the command line."""

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.errors import BadInput
from schemas.rehearsal import KINDS, Plan

_FAULT = re.compile(r"(?P<kind>[^:@,]*)(?::(?P<rate>[^@,]*))?(?:@(?P<when>[^=]*))?\Z")
_OPTIONS = ("retry_after", "seconds", "status", "size")


def load_plan(path: Path | None, over: dict[str, Any] | None = None) -> Plan:
    """The plan of a TOML file, with some fields of it replaced; faults are added to those of the file.

    Raises:
        BadInput: for a file that cannot be read or is no TOML, and for a value that no plan has.
    """
    given = _read(path) if path else {}
    more = dict(over or {})
    faults = [*_listed(given.pop("faults", []), path), *more.pop("faults", [])]
    return plan_of({**given, **more, "faults": faults}, str(path) if path else "plan")


def plan_of(fields: dict[str, Any], place: str = "plan") -> Plan:
    """The plan of these fields; `place` is named in the error.

    Raises:
        BadInput: for a value that no plan has.
    """
    try:
        return Plan.model_validate(fields)
    except ValidationError as error:
        raise BadInput(f"{place}: {_first(error, fields)}") from error


def parse_fault(text: str) -> dict[str, Any]:
    """The fields of a fault in its short form.

    `KIND:RATE`, `KIND@NUMBER,NUMBER`, `KIND@FROM-TO`, `KIND:RATE@FROM-TO`, each with `,name=value` behind.

    Raises:
        BadInput: for anything else, with the known kinds.
    """
    pieces = text.split(",")
    options = dict(piece.split("=", 1) for piece in pieces if "=" in piece)
    hit = _FAULT.match(",".join(piece for piece in pieces if "=" not in piece))
    if not hit or hit["kind"] not in KINDS or set(options) - set(_OPTIONS):
        forms = "KIND:RATE, KIND@5,6, KIND@10-20, KIND:RATE@10-20"
        raise BadInput(
            f"--fault {text!r} is none of {forms}, with {', '.join(f'{name}=VALUE' for name in _OPTIONS)}; "
            f"known kinds: {list(KINDS)}"
        )
    rate = {} if hit["rate"] is None else {"rate": hit["rate"]}
    return {"kind": hit["kind"], **rate, **_when(hit["when"]), **options}


def _when(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    first, found, last = text.partition("-")
    if not found:
        return {"at": text.split(",")}
    return {"from": first, **({"to": last} if last else {})}


def _listed(faults: Any, path: Path | None) -> list[Any]:
    if not isinstance(faults, list):
        raise BadInput(f"{path}: faults is {faults!r}, not a list; write [[faults]] above each")
    return faults


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"no plan at {path}: {error.strerror}") from error
    except ValueError as error:  # also text that is no UTF-8
        raise BadInput(f"{path} is no TOML: {error}") from error


def _first(error: ValidationError, fields: dict[str, Any]) -> str:
    """The first thing that is wrong: where, what it says and what may stand there; never the key."""
    wrong = error.errors(include_url=False)[0]
    place = ".".join(map(str, wrong["loc"]))
    message = wrong["msg"].removeprefix("Value error, ")
    if wrong["type"] == "extra_forbidden":
        return f"{place} is no field of a plan; known: {sorted(Plan.model_fields)}"
    if place.startswith("faults.") and place.endswith(".kind"):
        kind = fields["faults"][wrong["loc"][1]].get("kind")
        return f"{place} is {kind!r}; known kinds: {list(KINDS)}"
    value = "" if place == "key" else _value_at(fields, wrong["loc"])
    return f"{place}{value}: {message}" if place else message


def _value_at(fields: Any, place: tuple[Any, ...]) -> str:
    for step in place:
        try:
            fields = fields[step]
        except (LookupError, TypeError):
            continue  # the name of a form, such as `uniform`, is a step of its own
    return f" is {fields!r}" if isinstance(fields, str | int | float) else ""
