"""What a row says beside its texts: the user's own id, language, model, and the fields we do not know."""

import json
import re
from typing import Any, NamedTuple

ID_FIELDS = ("id", "_id", "uuid", "uid", "sample_id")
LANGUAGE_FIELDS = ("lang", "language")
MAX_EXTRA = 2_000  # characters of other fields that are kept; of larger ones the names
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # BCP 47 without its rarer forms


class Provenance(NamedTuple):
    """Null where the row does not say."""

    origin_id: str | None
    language: str | None
    model: str | None
    used: frozenset[str]  # the fields these came from


def provenance_of(fields: dict[str, Any]) -> Provenance:
    """The user's id as they wrote it (the first of ID_FIELDS that is not empty), language tag and model.

    A language that is no tag ("English") and a model that is no string are left among the other fields.
    """
    own = next((key for key in ID_FIELDS if fields.get(key) not in (None, "")), None)
    language = next((key for key in LANGUAGE_FIELDS if _is_tag(fields.get(key))), None)
    model = "model" if isinstance(fields.get("model"), str) and fields["model"].strip() else None
    return Provenance(
        origin_id=_as_written(fields[own]) if own else None,
        language=fields[language] if language else None,
        model=fields[model] if model else None,
        used=frozenset(key for key in (own, language, model) if key),
    )


def slots_of(asked: dict[str, Any] | None, extra: dict[str, Any]) -> str:
    """Canonical JSON of what was asked, and under "extra" the other fields, or their names when long.

    Fields that are null or empty say nothing and are left out.
    """
    extra = {key: value for key, value in extra.items() if value not in (None, "")}
    if not extra:
        return _canonical(asked) if asked else "{}"
    try:
        kept = _canonical(extra)
    except ValueError:  # NaN, which is no JSON
        kept = ""
    if not kept or len(kept) > MAX_EXTRA:
        return _canonical({**(asked or {}), "extra": sorted(extra)})
    return _canonical({**(asked or {}), "extra": extra})


def _canonical(value: dict[str, Any]) -> str:
    """As schemas.ids.canonical, but dates, decimals and bytes of Parquet become their text."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str
    )


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else _canonical(value)


def _is_tag(value: Any) -> bool:
    return isinstance(value, str) and _TAG.fullmatch(value) is not None
