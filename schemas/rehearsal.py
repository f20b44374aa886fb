"""The plan of a rehearsal server: how fast it answers, whom it refuses, and which faults it makes when."""

import math
from statistics import NormalDist
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from schemas.llm import OFFLINE
from schemas.settings import Storyteller

Kind = Literal[
    "rate_limit", "server_error", "bad_request", "quota", "wrong_key", "redirect", "html", "error_object",
    "reset", "hang", "drip", "truncated", "cut", "malformed", "choices", "empty", "huge", "invalid_utf8",
    "lone_surrogate", "nul", "duplicate", "language",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
STANDARD = NormalDist()


class Part(BaseModel):
    """A part of a plan: never changed, and nothing in it that means nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


class Fixed(Part):
    """Every answer takes the same time."""

    kind: Literal["fixed"] = "fixed"
    seconds: float = Field(0.0, ge=0, le=3600)

    def quantile(self, share: float) -> float:
        """Seconds, whatever the share."""
        return self.seconds


class Uniform(Part):
    """Any time between two bounds is as likely as any other."""

    kind: Literal["uniform"] = "uniform"
    low: float = Field(ge=0, le=3600)
    high: float = Field(ge=0, le=3600)

    @model_validator(mode="after")
    def _in_order(self) -> "Uniform":
        if self.low > self.high:
            raise ValueError(f"uniform latency from {self.low:g} to {self.high:g} s: the first is larger")
        return self

    def quantile(self, share: float) -> float:
        """Seconds that a share of the answers, in [0, 1), does not reach."""
        return self.low + (self.high - self.low) * share


class Lognormal(Part):
    """Most answers near the median, some much later; the logarithm has the standard deviation `sigma`."""

    kind: Literal["lognormal"] = "lognormal"
    median: float = Field(gt=0, le=3600)
    sigma: float = Field(ge=0, le=5)

    def quantile(self, share: float) -> float:
        """Seconds that a share of the answers, in [0, 1), does not reach."""
        return self.median * math.exp(self.sigma * STANDARD.inv_cdf(min(max(share, 1e-12), 1 - 1e-12)))


def _latency_of_text(value: Any) -> Any:
    """From 0.2, "0.2", "uniform:0.1,0.5" or "lognormal:0.2,0.5" to the fields of a latency."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "fixed", "seconds": value}
    if not isinstance(value, str):
        return value
    kind, found, numbers = value.partition(":")
    if not found:
        kind, numbers = "fixed", value
    names = {"fixed": ("seconds",), "uniform": ("low", "high"), "lognormal": ("median", "sigma")}
    given = numbers.split(",")
    if len(names.get(kind, ())) != len(given):
        forms = "0.2, uniform:LOW,HIGH, lognormal:MEDIAN,SIGMA"
        raise ValueError(f"latency {value!r} has none of the forms {forms} (seconds)")
    return {"kind": kind, **dict(zip(names[kind], given, strict=True))}


Latency = Annotated[
    Annotated[Fixed | Uniform | Lognormal, Field(discriminator="kind")], BeforeValidator(_latency_of_text)
]


class Fault(Part):
    """One kind of fault and when it happens: a share of the completions, some of them by number, a range.

    Completions are counted from 1 in the order of their arrival. A range without a share means all of it.
    Those that are named go before those that are drawn.
    """

    kind: Kind
    rate: float | None = Field(None, ge=0, le=1, description="share of the completions (of the range)")
    at: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="numbers of completions")
    first: int = Field(1, ge=1, alias="from", description="first completion of the range")
    last: int | None = Field(None, ge=1, alias="to", description="last completion of the range")
    retry_after: float | None = Field(None, ge=0, description="seconds in Retry-After; rate_limit has 1")
    seconds: float | None = Field(None, ge=0, description="hang: how long; drip: between two bytes")
    status: int | None = Field(None, ge=300, le=599, description="another status for server_error, redirect")
    size: int = Field(8 << 20, ge=1, le=256 << 20, description="huge: characters of the content")

    @model_validator(mode="after")
    def _happens(self) -> "Fault":
        if self.rate is None and not self.at and not {"first", "last"} & self.model_fields_set:
            raise ValueError(f"fault {self.kind!r} never happens: give rate, at, or from and to")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"fault {self.kind!r} from {self.first} to {self.last}: the first is larger")
        return self

    def names(self, number: int) -> bool:
        """Whether it happens to a completion for certain: by its number, or in a range without a share."""
        return number in self.at if self.at or self.rate is not None else self._covers(number)

    def share(self, number: int) -> float:
        """Chance, 0 to 1, that it happens to a completion which it does not name."""
        return self.rate if self.rate is not None and self._covers(number) else 0.0

    def _covers(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)


class Plan(Part):
    """How a rehearsal server behaves. The default is a server without faults that answers at once."""

    latency: Latency = Field(default_factory=Fixed, description="time before the first byte of an answer")
    models: tuple[Annotated[str, Field(min_length=1)], ...] = Field((OFFLINE,), min_length=1)
    key: SecretStr | None = Field(None, description="the only key that is accepted; without it, any is")
    expires_after: int | None = Field(None, ge=0, description="completions until every key gets 401")
    credit: int | None = Field(None, ge=0, description="answers until 429 insufficient_quota")
    requests_per_second: int | None = Field(None, ge=1, description="completions per second of the clock")
    seed: int = Field(0, ge=0, description="draws latencies and faults")
    structured: bool = Field(True, description="whether response_format json_schema is honoured")
    batch_delay_s: float = Field(0.0, ge=0, description="time a batch takes")
    batch_expires_s: float | None = Field(None, ge=0, description="time after which a batch expires")
    storyteller: Storyteller = Field(default_factory=Storyteller, description="manners of the model")
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _shares_fit(self) -> "Plan":
        """Where most ranges overlap is where one of them begins."""
        for start in {fault.first for fault in self.faults}:
            total = sum(fault.share(start) for fault in self.faults)
            if total > 1 + 1e-9:
                raise ValueError(
                    f"the rates of the faults at completion {start} add up to {total:g}, above 1"
                )
        return self
