"""Models of sentence-transformers on torch: CUDA where there is one, else the CPU.

bfloat16 where the machine multiplies it in hardware (AMX, CUDA): three times faster, cosine to float32
0.9999. The transformer, its pooling and what follows are the modules that the folder names; only the batches
are our own. A model that begins with anything but a transformer with a fast tokenizer is asked as a whole.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tasks.encoders.batches import Prepared
from tasks.encoders.static_model import say_static
from tasks.encoders.tokens import Tokens

CPU_BUDGET, CUDA_BUDGET = 2048, 131_072  # tokens of a batch
CHARACTERS = 4  # a token, for a model that is asked as a whole


class TransformerModel:
    """Modules of sentence-transformers on token ids; on a CPU each batch has one thread.

    So vectors do not depend on the number of cores (a sum that is split differently ends in other bits), and
    no thread waits for another at every matrix: on a busy machine two threads a batch took six times the CPU.
    """

    def __init__(self, model: Any, tokens: Tokens) -> None:
        self.model, self.tokens, self.prepare = model, tokens, tokens.prepare
        self.on_cpu = model.device.type == "cpu"
        self.budget = CPU_BUDGET if self.on_cpu else CUDA_BUDGET
        self.at_once = len(os.sched_getaffinity(0)) if self.on_cpu else 1

    def forward(self, items: list[np.ndarray]) -> np.ndarray:
        """(k, d) float32."""
        import torch

        if self.on_cpu:
            torch.set_num_threads(1)
        ids, mask = (torch.from_numpy(each).to(self.model.device) for each in self.tokens.padded(items))
        with torch.inference_mode():
            found = self.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        return found.float().cpu().numpy()


class WholeModel:
    """A model that makes its own batches: static, image and text, slow tokenizers."""

    budget = CPU_BUDGET * CHARACTERS
    at_once = 1

    def __init__(self, model: Any) -> None:
        self.model = model

    def prepare(self, texts: list[str]) -> list[Prepared]:
        """The texts as they are; whether one is cut is known where the tokenizer says how long it is."""
        return [Prepared(text, len(text), cut) for text, cut in zip(texts, self._cut(texts), strict=True)]

    def forward(self, items: list[str]) -> np.ndarray:
        """(k, d) float32."""
        return self.model.encode(items, show_progress_bar=False, convert_to_numpy=True).astype(np.float32)

    def _cut(self, texts: list[str]) -> list[bool]:
        limit = getattr(self.model, "max_seq_length", None)
        if limit is None or not callable(self.model.tokenizer):
            return [False] * len(texts)
        ids = self.model.tokenizer(texts, truncation=False, padding=False, verbose=False)["input_ids"]
        return [len(each) > limit for each in ids]


def load_torch(folder: Path) -> tuple[TransformerModel | WholeModel, str, int]:
    """The model of a folder, its backend as in "torch-cpu/float32", and its number of parameters."""
    import_quietly()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
    model = sentence_transformer(folder, device, {"dtype": dtype})
    if type(model[0]).__name__ == "StaticEmbedding":
        say_static(folder.name)
    n_parameters = sum(weights.numel() for weights in model.parameters())
    return of(model), f"torch-{device}/{str(dtype).removeprefix('torch.')}", n_parameters


def of(model: Any) -> TransformerModel | WholeModel:
    """A model of sentence-transformers with our batches, if it takes token ids."""
    tokens = tokens_of(model)
    return WholeModel(model) if tokens is None else TransformerModel(model, tokens)


def tokens_of(model: Any) -> Tokens | None:
    """The tokenizer of a model, with its prompt; None for a model that begins with no plain transformer."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from sentence_transformers.sentence_transformer.modules import Transformer as First
    from tokenizers import Tokenizer

    first = model[0]
    backend = getattr(getattr(first, "tokenizer", None), "backend_tokenizer", None)
    limit = getattr(model, "max_seq_length", None)
    prompt = (model.prompts or {}).get(model.default_prompt_name or "") or ""
    split = prompt and any(isinstance(each, Pooling) and not each.include_prompt for each in model)
    if type(first) is not First or not isinstance(backend, Tokenizer) or split or not limit or limit > 1e6:
        return None
    if first.modalities != ["text"] or getattr(first, "query_expansion", None):
        return None
    tokenizer = first.tokenizer
    own = Tokenizer.from_str(backend.to_str())  # the state of a tokenizer is not shared with the model's
    left = tokenizer.padding_side == "left"
    return Tokens(own, int(limit), pad=tokenizer.pad_token_id or 0, left=left, prompt=prompt)


def sentence_transformer(folder: Path, device: str, settings: dict[str, Any]) -> Any:
    """A model in evaluation mode, from safetensors only, running no code of its own."""
    import_quietly()
    from sentence_transformers import SentenceTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True, **settings},
        ).eval()


def import_quietly() -> None:
    """Import torch and sentence-transformers without their chatter: progress is said in our own way."""
    import logging

    # Threads that wait by spinning cost 2.6 times the CPU and twice the time on a busy machine; they are
    # told before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sentence_transformers  # noqa: F401
        from huggingface_hub.utils import disable_progress_bars
        from transformers.utils import logging as transformers_logging

        disable_progress_bars()
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


def multiplies_bfloat16(device: str) -> bool:
    """Whether the machine multiplies bfloat16 in hardware: faster than float32, and faithful."""
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())
