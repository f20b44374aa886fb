"""What a call costs: tokens times the prices of a small table that anybody can edit.

cost = (uncached n_in * usd_in + n_cached * usd_cached + n_out * usd_out) / 10^6, times (1 - batch_discount)
in the Batch API; in [0, inf), or None when price or tokens are unknown. An unknown cost is never taken for 0.
"""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import BadInput
from schemas.prices import PER, Price, PriceTable, same_address

PACKAGED = Path(__file__).with_suffix(".toml")


def load_prices(path: Path | None) -> PriceTable:
    """The price table of a TOML file; None: the one that ships.

    Raises:
        BadInput: names the file, the entry and the key that is wrong, with the keys that are known.
    """
    return _load((path or PACKAGED).absolute())


def price_of(table: PriceTable, model: str, base_url: str | None) -> Price | None:
    """The entry of a model at an endpoint; None when there is none, and then the cost is unknown.

    An entry that names the endpoint wins over one that names none. Names of models match exactly.
    """
    here = same_address(base_url) if base_url else None
    fitting = {each.endpoint: each for each in table.price if each.model == model}
    return fitting.get(here) or fitting.get(None)


def cost_usd(
    price: Price | None, n_in: int | None, n_out: int | None, batch: bool = False, n_cached: int = 0
) -> float | None:
    """What a call cost, in US dollars; None when price, tokens or the discount of a batch are unknown.

    `n_cached` of the `n_in` prompt tokens were in the endpoint's cache.
    """
    if price is None or n_in is None or n_out is None or (batch and price.batch_discount is None):
        return None
    usd_cached = price.usd_per_mtok_in if price.usd_per_mtok_cached is None else price.usd_per_mtok_cached
    n_cached = min(n_cached, n_in)
    full = (
        (n_in - n_cached) * price.usd_per_mtok_in + n_cached * usd_cached + n_out * price.usd_per_mtok_out
    ) / PER
    return full * (1 - (price.batch_discount or 0.0)) if batch else full


def most_usd(price: Price, n_in: int, n_out: int) -> float:
    """The most that a call of so many tokens can cost: no cache, no discount; no `cost_usd` is above it."""
    dearest = max(price.usd_per_mtok_in, price.usd_per_mtok_cached or 0.0)
    return (n_in * dearest + n_out * price.usd_per_mtok_out) / PER


def _load(path: Path) -> PriceTable:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read price table {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"price table {path} is no TOML: {error}") from error
    try:
        table = PriceTable.model_validate(written)
    except ValidationError as error:
        raise BadInput(f"price table {path}, {_mistake(error, written)}") from error
    _refuse_doubles(table, path)
    return table


def _mistake(error: ValidationError, written: dict) -> str:
    first = error.errors()[0]
    place, known = first["loc"], ", ".join(Price.model_fields)
    if len(place) < 2 or not isinstance(place[1], int):
        return f"{'.'.join(map(str, place))}: {first['msg']}; known: entries that begin with [[price]]"
    entry = written["price"][place[1]]
    named = f" ({entry['model']!r})" if isinstance(entry, dict) and "model" in entry else ""
    key = ".".join(map(str, place[2:])) or "entry"
    return f"entry {place[1] + 1}{named}, {key}: {first['msg']}; known keys: {known}"


def _refuse_doubles(table: PriceTable, path: Path) -> None:
    seen: dict[tuple[str, str | None], int] = {}
    for number, price in enumerate(table.price, 1):
        first = seen.setdefault((price.model, price.endpoint), number)
        if first != number:
            twice = f"two prices of {price.model!r} at {price.endpoint or 'any endpoint'}"
            raise BadInput(
                f"price table {path}, entries {first} and {number}: {twice}; known keys "
                "that tell entries apart: model, endpoint"
            )
