"""What a model costs, as somebody wrote it down: prices with the day and the page they are from."""

import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PER = 1_000_000  # prices are those of a million tokens


def same_address(base_url: str) -> str:
    """One spelling of an endpoint: case of scheme and host and a last slash do not matter.

    Raises:
        ValueError: for anything but an http(s) address.
    """
    parts = urlsplit(base_url.strip())
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{base_url!r} is no http(s) address")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """Prices of one model, in US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    model: str = Field(min_length=1, description="what the endpoint calls the model")
    endpoint: Annotated[str, AfterValidator(same_address)] | None = Field(
        None, description="base_url it is the price of; null: wherever the model answers"
    )
    usd_per_mtok_in: Usd = Field(description="a million prompt tokens")
    usd_per_mtok_out: Usd = Field(description="a million completion tokens")
    usd_per_mtok_cached: Usd | None = Field(
        None, description="a million prompt tokens that the endpoint had in its cache; null: as others"
    )
    batch_discount: float | None = Field(
        None, ge=0, le=1, description="share by which the Batch API is cheaper, 0 to 1; null: unknown"
    )
    date: datetime.date = Field(description="the day on which the source said so")
    source: str = Field(min_length=1, description="the page that says so")


class PriceTable(BaseModel):
    """All entries of a price table."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    price: tuple[Price, ...] = ()
