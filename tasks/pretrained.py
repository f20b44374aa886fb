"""Models that somebody trained before, from the hub or a folder, and the precision this machine is good at.

Only safetensors are read and no code that comes with a model is run.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.errors import BadInput
from tasks.dialogue import TEMPLATE

if TYPE_CHECKING:
    import torch


class Hardware(NamedTuple):
    """Where this process computes, and which 16-bit format is fast there, if any."""

    device: str  # cuda or cpu
    bf16: bool
    fp16: bool

    @property
    def dtype(self) -> "torch.dtype":
        """The format in which frozen weights are held."""
        import torch

        return torch.bfloat16 if self.bf16 else torch.float16 if self.fp16 else torch.float32


def hardware() -> Hardware:
    """A GPU when there is one. On a CPU bfloat16 only with AMX: faster there, slower elsewhere."""
    import torch

    if not torch.cuda.is_available():
        return Hardware("cpu", bf16=torch.cpu._is_amx_tile_supported(), fp16=False)
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Hardware("cuda", bf16=bf16, fp16=not bf16)


def load_model(name: str, dtype: "torch.dtype") -> Any:
    """A causal language model by hub name or folder, on the CPU.

    Raises:
        BadInput: when there is none of that name, or none without pickles and code of its own.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    _require_known(name)
    disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _unknown(name, error) from error


def load_tokenizer(name: str) -> Any:
    """The tokeniser of a model, with a plain chat template where it brings none.

    Raises:
        BadInput: when there is none of that name, or it has no token that ends a text.
    """
    from transformers import AutoTokenizer

    _require_known(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unknown(name, error) from error
    if tokenizer.eos_token is None:
        raise BadInput(f"the tokeniser of base model {name!r} has no end-of-text token")
    if not tokenizer.chat_template:
        tokenizer.chat_template = TEMPLATE
    return tokenizer


def _require_known(name: str) -> None:
    """Ask the hub once for what lies neither in a folder nor in the cache: transformers asks for a minute."""
    from huggingface_hub import model_info, try_to_load_from_cache

    if Path(name).is_dir():
        return
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json"), str):
            model_info(name, timeout=10)
    except Exception as error:  # of a class of the HTTP library that the hub client uses this year
        raise _unknown(name, error) from error


@contextmanager
def old_names() -> Iterator[None]:
    """Hold back one warning: peft 0.21 asks transformers 5.23 by a name that goes away in version 6."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _unknown(name: str, error: Exception) -> BadInput:
    kind = "folder" if Path(name).is_dir() else "name"
    known = "known: 'tiny', a folder with config.json and safetensors, a name on the hub"
    reason = " ".join(str(error).split())[:200]
    return BadInput(f"no base model can be loaded from {kind} {name!r}; {known} ({reason})")
