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
    index: int = Field(0, ge=0, description="tells apart samples of one and the same question")
    json_schema: dict[str, Any] | None = Field(None, description="what the reply must be, as JSON Schema")

    def id_at(self, model: Any) -> str:
        """The id of this question when put to this model, whichever endpoint serves it."""
        turns = [(message.role, message.content) for message in self.messages]
        return digest("request", 2, model, turns, self.sampling, self.index, self.json_schema)


class Reply(BaseModel):
    """One answer: a text, or an explained failure."""

    model_config = ConfigDict(frozen=True)
    request_id: str
    provider: str = Field(description="`offline` or the address of the endpoint that answered")
    model: str = Field(description="what that endpoint calls the model")
    text: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    n_prompt_tokens: int | None = None
    n_completion_tokens: int | None = None
    latency_s: float = 0.0
    cost_usd: float | None = None
    attempts: int = 0
    replayed: bool = False
