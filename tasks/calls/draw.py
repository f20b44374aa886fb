"""Drawing tokens for a batch of requests, each row by its own rules and its own random numbers.

A token is drawn by inverting the cumulative distribution at a number in [0, 1) that follows from the row's
seed and the token's position alone, so a row does not depend on its neighbours. Temperature 0 takes the
likeliest.
Penalties (OpenAI): a token that was said c times loses frequency * c + presence (if c > 0) of its score.
Nucleus: the fewest tokens that hold `top_p` of the probability, after the temperature; Holtzman et al. 2020.
"""

from threading import Event
from typing import TYPE_CHECKING, Any

from schemas.errors import BadInput
from schemas.ids import seed_for
from tasks.calls.completion import Asked

if TYPE_CHECKING:
    from torch import Tensor


def number_at(seed: int, position: int) -> float:
    """The random number of a token, in [0, 1), from the row's seed and the token's position."""
    return (seed_for("token", seed, position) >> 10) * 2.0**-53


def nucleus(probabilities: "Tensor", top_p: "Tensor") -> "Tensor":
    """(b, v) probabilities, zero outside of the fewest tokens of each row that hold (b, 1) `top_p` of it."""
    ranked, order = probabilities.sort(dim=-1, descending=True, stable=True)
    beyond = ranked.cumsum(-1) - ranked >= top_p
    beyond[:, 0] = False  # the likeliest always stays
    return probabilities.masked_fill(beyond.scatter(-1, order, beyond), 0.0)


class Draw:
    """A logits processor of transformers that leaves one token in each row: the one that is drawn."""

    def __init__(self, rows: list[Asked], width: int) -> None:
        """How each row is to be drawn, and how many tokens the padded prompts have."""
        self._rows, self._width = rows, width
        self._counts: Any = None  # (b, v): how often each token was said

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        """(b, v) scores of the next token: 0 for the drawn one, -inf for all others.

        Raises:
            BadInput: for a model that computes no numbers.
        """
        import torch

        position = input_ids.shape[1] - self._width
        scores = self._penalised(input_ids, scores.double(), position)
        temperature = self._column("temperature", scores)
        drawn = torch.softmax(scores / temperature.clamp(min=1e-6), dim=-1)
        if any(row.top_p < 1 for row in self._rows):
            drawn = nucleus(drawn, self._column("top_p", scores))
        upto = drawn.cumsum(-1)
        if not bool(upto[:, -1].isfinite().all()):
            raise BadInput("the model computes NaN: its weights do not suit the number format of this device")
        at = torch.tensor([[number_at(row.seed, position)] for row in self._rows], dtype=upto.dtype)
        token = (
            (upto <= at.to(upto.device) * upto[:, -1:]).sum(-1, keepdim=True).clamp(max=scores.shape[1] - 1)
        )
        token = torch.where(temperature == 0, scores.argmax(-1, keepdim=True), token)
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)

    def _column(self, name: str, like: "Tensor") -> "Tensor":
        import torch

        values = [[getattr(row, name)] for row in self._rows]
        return torch.tensor(values, dtype=like.dtype, device=like.device)  # (b, 1)

    def _penalised(self, input_ids: "Tensor", scores: "Tensor", position: int) -> "Tensor":
        import torch

        if not any(row.presence_penalty or row.frequency_penalty for row in self._rows):
            return scores
        if position == 0:
            self._counts = torch.zeros_like(scores)
        else:
            last = input_ids[:, -1:]
            self._counts.scatter_add_(1, last, torch.ones_like(last, dtype=scores.dtype))
        frequency, presence = (self._column(f"{name}_penalty", scores) for name in ("frequency", "presence"))
        return scores - frequency * self._counts - presence * (self._counts > 0)


class Until:
    """A stopping criterion of transformers: which rows are done, why, and what they said.

    `tokens[row]` are the drawn token ids, the ending one included; `reasons[row]` is stop, length, or None.
    """

    def __init__(
        self, tokenizer: Any, rows: list[Asked], most: list[int], ends: set[int], halt: Event
    ) -> None:
        """`most` tokens for each row; `ends` end a text; `halt` ends all rows, without a reason."""
        self.tokens: list[list[int]] = [[] for _ in rows]
        self.reasons: list[str | None] = [None for _ in rows]
        self._tokenizer, self._rows, self._most, self._ends, self._halt = tokenizer, rows, most, ends, halt

    def __call__(self, input_ids: "Tensor", scores: Any, **kwargs: Any) -> "Tensor":
        """(b,) bool: the rows that are done."""
        import torch

        for row, token in enumerate(input_ids[:, -1].tolist()):
            if self.reasons[row] is None:
                self.tokens[row].append(token)
                self.reasons[row] = self._reason(row, token)
        done = [reason is not None or self._halt.is_set() for reason in self.reasons]
        return torch.tensor(done, device=input_ids.device)

    def text(self, row: int) -> str:
        """What a row said, without what ended it."""
        said = self._decoded(self.tokens[row])
        return said[
            : min((place for each in self._rows[row].stop if (place := said.find(each)) >= 0), default=None)
        ]

    def _reason(self, row: int, token: int) -> str | None:
        if token in self._ends or self._has_stop(row):
            return "stop"
        return "length" if len(self.tokens[row]) >= self._most[row] else None

    def _has_stop(self, row: int) -> bool:
        """Whether the last tokens complete a stop text; a token is at least a byte of UTF-8."""
        stops = self._rows[row].stop
        if not stops:
            return False
        tail = self._decoded(self.tokens[row][-(8 + max(len(each.encode()) for each in stops)) :])
        return any(each in tail for each in stops)

    def _decoded(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
