"""How alike texts are: exact Jaccard similarity of word n-grams, for tests of what the storyteller writes."""

import re


def grams(text, n=5):
    """The distinct runs of n words."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


def likeness(a, b):
    """Jaccard similarity of two sets, 1 for two empty ones."""
    return len(a & b) / len(a | b) if a or b else 1.0


def near_share(texts, threshold=0.7, n=5):
    """Share of the texts that are near-duplicates of one before them."""
    sets = [grams(text, n) for text in texts]
    near = (any(likeness(one, other) >= threshold for other in sets[:i]) for i, one in enumerate(sets))
    return sum(near) / len(texts)
