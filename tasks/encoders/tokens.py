"""Texts as token ids: tokenised once, cut to what the model reads, padded to the length of a batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from schemas.errors import BadInput
from tasks.encoders.batches import Prepared, padded_length

AHEAD = 32  # characters looked at for each token that the model reads, before the whole text is


class Tokens:
    """A tokenizer of the `tokenizers` library with the limit of a model."""

    def __init__(
        self, tokenizer: Any, limit: int, *, pad: int = 0, left: bool = False, special: bool = True,
        prompt: str = "", without: int | None = None,
    ) -> None:  # fmt: skip
        """Take a tokenizer as it is, but for its own padding and cutting.

        Args:
            tokenizer: of the `tokenizers` library; nobody else may use it.
            limit: most tokens of a text, special ones included.
            pad: id of the padding token.
            left: whether padding goes before the text.
            special: whether to add special tokens.
            prompt: put before every text.
            without: id of a token that is left out.
        """
        tokenizer.no_padding()
        tokenizer.enable_truncation(limit)
        self.tokenizer, self.limit, self.prompt = tokenizer, limit, prompt
        self.pad, self.left, self.special, self.without = pad, left, special, without

    def prepare(self, texts: list[str]) -> list[Prepared]:
        """Token ids of texts.

        Only the beginning of a very long text is looked at, if that has more tokens than the model reads:
        a text of 10 MB costs what one of some pages does.
        """
        ahead = AHEAD * self.limit
        found = self._ids([self.prompt + text[:ahead] for text in texts])
        for i, text in enumerate(texts):
            if len(text) > ahead and not found[i].truncated:
                found[i] = self._ids([self.prompt + text])[0]
        return found

    def padded(self, items: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Ids and attention mask, both (k, length) int64."""
        length = max(1, min(padded_length(max(map(len, items))), self.limit))
        ids = np.full((len(items), length), self.pad, np.int64)
        mask = np.zeros((len(items), length), np.int64)
        for i, item in enumerate(items):
            here = slice(length - len(item), length) if self.left else slice(0, len(item))
            ids[i, here] = item
            mask[i, here] = 1
        return ids, mask

    def _ids(self, texts: list[str]) -> list[Prepared]:
        found = []
        for each in self.tokenizer.encode_batch_fast(texts, add_special_tokens=self.special):
            ids = np.array(each.ids, np.int32)
            if self.without is not None:
                ids = ids[ids != self.without]
            found.append(Prepared(ids, len(ids), bool(each.overflowing)))
        return found


def tokenizer_of(folder: Path) -> Any:
    """The tokenizer of a model folder.

    Raises:
        BadInput: when there is none, or it cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exception
        raise BadInput(f"{folder / 'tokenizer.json'} cannot be read: {error}") from error
