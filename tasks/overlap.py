"""Training texts that share a long run of words with a held-out or evaluation text.

13 words in a row is the practice of GPT-3 (Brown et al. 2020, appendix C) and Llama 2 (A.6): 8 words hit 6%
of the GSM8K test set by chance. Paraphrases pass any n-gram check (Yang et al. 2023, arXiv 2311.04850), so
ROUGE-L and cosine to the held-out texts (tasks/neighbours.py) belong beside it.
"""

from collections.abc import Sequence

import numpy as np

from tasks.lexical import ngrams


def leaked(train: Sequence[str], heldout: Sequence[str], n: int = 13) -> np.ndarray:
    """Which training texts share n words in a row with any held-out text, (len(train),) bool.

    A text of fewer than n words has no such run and is never marked.
    """
    grams = ngrams([*train, *heldout], n)
    ours = grams.text < len(train)
    shared = np.isin(grams.types, np.unique(grams.types[~ours]))
    marked = np.zeros(len(train), dtype=bool)
    marked[grams.text[ours & shared]] = True
    return marked


def leak_count(train: Sequence[str], heldout: Sequence[str], n: int = 13) -> int | None:
    """Number of training texts that `leaked` marks. Range: 0 to the number of training texts.

    None when either side is empty: nothing was compared.
    """
    return int(leaked(train, heldout, n).sum()) if len(train) and len(heldout) else None
