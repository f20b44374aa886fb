"""A question to a language model and its answer."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.ids import digest
from schemas.tables import Message


class Request(BaseModel):
    """One question. Its id is its content, so a list may grow, shrink or be reordered freely."""

    model_config = ConfigDict(frozen=True)
    messages: list[Message]
    sampling: dict[str, Any] = Field(description="parameters of the OpenAI API, `seed` among them")

    def id_at(self, provider: str, model: str) -> str:
        """The id of this question when put to this model."""
        return digest("request", provider, model, [m.model_dump() for m in self.messages], self.sampling)


class Reply(BaseModel):
    """One answer: a text, or an explained failure."""

    model_config = ConfigDict(frozen=True)
    request_id: str
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    n_prompt_tokens: int | None = None
    n_completion_tokens: int | None = None
    latency_s: float = 0.0
    cost_usd: float | None = None
    attempts: int = 0
    replayed: bool = False
