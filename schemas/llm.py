"""The model that writes: where it is, how it is asked, what may be spent."""

import os
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

OFFLINE = "offline/storyteller"
BUILT_IN = "offline"  # name of the provider that needs no address


class Limits(BaseModel):
    """What an endpoint allows. Shared by all runs of this host and user; null: no limit but concurrency."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    concurrency: int = Field(32, ge=1, le=1024, description="requests in flight at one endpoint")
    requests_per_second: float | None = Field(None, gt=0, description="requests started in a second")
    requests_per_minute: float | None = Field(None, gt=0, description="requests started in a minute (RPM)")
    input_tokens_per_minute: float | None = Field(None, gt=0, description="prompt tokens in a minute")
    output_tokens_per_minute: float | None = Field(None, gt=0, description="completion tokens in a minute")


class Address(BaseModel):
    """Where a model answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    base_url: str | None = Field(None, description="OpenAI-compatible endpoint, ending in /v1")
    api_key: SecretStr | None = Field(None, description="key of the endpoint")
    api_key_block: str | None = Field(None, description="name of a Prefect Secret block that holds the key")


class EndpointAt(Address):
    """One of several endpoints that serve the same model."""

    base_url: str = Field(description="OpenAI-compatible endpoint, ending in /v1")
    model: str | None = Field(None, description="what this endpoint calls the model; null: as the others")
    weight: float = Field(1.0, gt=0, description="share of the requests, against the other endpoints")
    limits: Limits | None = Field(None, description="limits of this endpoint; null: those of all")


class LLM(Address, Limits):
    """The model that writes. With no address it is the built-in offline storyteller."""

    provider: Literal["auto", "batch", "transformers", "vllm"] = Field(
        "auto",
        description="auto: the endpoints, else the storyteller; batch: the Batch API of the endpoint; "
        "transformers, vllm: `model` is a hub name or folder, run in this process",
    )
    model: str = Field(OFFLINE, description="model name at the endpoint")
    endpoints: tuple[EndpointAt, ...] = Field((), description="several endpoints of one model")
    timeout_s: float = Field(120.0, gt=0, description="longest wait for one reply, to its last byte")
    batch_size: int = Field(2000, ge=1, le=50_000, description="requests of one batch of the Batch API")
    batch_poll_s: float = Field(30.0, gt=0, description="seconds between two looks at a batch")
    attempts: int = Field(5, ge=1, le=20, description="how often a request is sent before it is given up")
    repairs: int = Field(2, ge=0, le=5, description="how often a reply that is no such JSON is asked again")
    patience_s: float = Field(
        300.0, gt=0, description="how long an endpoint may give no answer before a stop; at least timeout_s"
    )
    usd_per_day: float | None = Field(None, gt=0, description="cap of a day (UTC) of a warehouse, in USD")
    tokens_per_day: int | None = Field(None, gt=0, description="cap of a day: prompt and completion tokens")
    requests_per_day: int | None = Field(None, gt=0, description="cap of a day: requests sent")
    prices: Path | None = Field(None, description="price table (TOML); null: the one that ships")
    limits_folder: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / f"seedloom-{os.getuid()}",
        description="where the runs of this host share their limits; local disk",
    )

    @model_validator(mode="after")
    def _one_way_to_name_endpoints(self) -> "LLM":
        if self.base_url and self.endpoints:
            raise ValueError("base_url and endpoints are both set; name one endpoint, or several, not both")
        return self

    @property
    def is_offline(self) -> bool:
        """Whether the built-in storyteller writes."""
        return self.provider == "auto" and not self.sites()

    def sites(self) -> tuple[EndpointAt, ...]:
        """All endpoints; none for a model in this process."""
        if self.endpoints or self.base_url is None:
            return self.endpoints
        own: dict[str, Any] = {name: getattr(self, name) for name in Address.model_fields}
        return (EndpointAt(**own),)

    def limits_of(self, site: EndpointAt) -> Limits:
        """The limits of one endpoint."""
        return site.limits or Limits(**{name: getattr(self, name) for name in Limits.model_fields})
