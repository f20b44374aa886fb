"""What a model says instead of answering, and what leaks from its prompt: patterns as polars expressions.

English openings only, since they are what language models of any language fall back to; anchored at the first
word, so that a story in which somebody says "I'm sorry, I can't" later is left alone. After the refusal lists
of Vicuna's and WizardLM-unfiltered's data cleaning, and what Alpaca was seen to hold.
"""

import polars as pl

_SORRY = (
    r"(?:(?:(?:i[’']?m|i am|we[’']?re|we are) )?(?:very |so |really |deeply )?sorry|unfortunately"
    r"|(?:i|we) apologi[sz]e|(?:my|our) apologies)[,.!]? (?:but )?"
)
_CANNOT = r"(?:i|we)(?: can ?not| can[’']t| am (?:unable|not able) to|[’']m (?:unable|not able) to)"
_SERVE = (
    r"(?:assist|help (?:you|with)|fulfill?|comply|complete|provide|generate|create|produce|answer|perform"
    r"|engage|continue|write|do (?:that|this))"
)
_AN_AI = r"an? (?:ai|artificial intelligence|(?:large )?language model)"
_A_MODEL = r"(?:a |an |the )?(?:gpt |ai |language )*model"
REFUSAL = (
    rf"(?i)^\W*(?:(?:{_SORRY})?(?:(?:as|i am|i[’']m)(?: just| only)? {_AN_AI}\b|{_CANNOT} {_SERVE}\b)"
    rf"|(?:i[’']?m|i am) sorry,? but {_CANNOT}\b"
    rf"|{_SORRY}(?:the|this) (?:task|request|instruction|question|prompt)\b"
    rf"|(?:the|this) (?:task|instruction|request) can(?:not|[’']t) be [^.]{{0,40}}by {_A_MODEL}"
    r"|no output(?: (?:as|because|since|possible|required|expected)\b|\W*$))"
)
LEAK = (
    r"(?i)#{2,} ?(?:instruction|response|input|output)\b|<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>"
    r"|<no ?(?:input|output)\b|(?m:^\d{1,2}\. (?:instruction|input|output):)"
)


def is_refusal(answer: pl.Expr) -> pl.Expr:
    """Whether an answer opens with a refusal, a disclaimer ("as an AI language model") or "no output"."""
    return answer.str.contains(REFUSAL)


def prompt_marker(answer: pl.Expr) -> pl.Expr:
    """The first marker of a prompt template in an answer ("### Response", "<noinput>"); null without one."""
    return answer.str.extract(LEAK, 0)
