"""A language model small enough to train in half a minute on a laptop: a Llama of about 2 M parameters.

It exists so that the whole way from seeds to a measured checkpoint runs anywhere. It learns the manner of a
corpus, not its meaning: trained on template text it writes fluent template text and mostly ignores what it is
asked. Architecture: Touvron et al. 2023. Tokeniser: byte-level BPE, Sennrich et al. 2016, so no text is
unknown to it. Weights and vocabulary depend on training texts, seed and sizes alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from schemas.ids import seed_for
from tasks.dialogue import TEMPLATE, Conversation

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TINY = "tiny"  # its name where base models are named
VOCABULARY = 2048
END, PAD = "<|end|>", "<|pad|>"
SPECIAL = [END, PAD, "<|system|>", "<|user|>", "<|assistant|>"]
SMALL = 10_000_000  # parameters, below which a second core is no gain
TEXTS = 20_000  # a vocabulary this small is settled long before; bounds time and memory
# Two wide layers learn faster than four narrow ones of as many parameters: after 69 steps on TinyStories 4.80
# nats against 5.08, in half the time. Tied embeddings leave most of the 2.1 M to the layers.
SIZES = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def tokenizer_for(conversations: Iterable[Conversation], max_length: int) -> "PreTrainedTokenizerFast":
    """A byte-level BPE tokeniser of at most 2048 tokens, learned from the first 20 000 conversations.

    Decoding what was encoded gives every text back, byte for byte. `max_length` is the context in tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = (turn["content"] for messages in islice(conversations, TEXTS) for turn in messages)
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=PAD,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
    )


def config_for(
    tokenizer: "PreTrainedTokenizerFast", max_length: int, sizes: Mapping[str, int] | None = None
) -> "LlamaConfig":
    """The shape of the model for a tokeniser and a context of `max_length` tokens; `sizes` over SIZES."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=max_length,
        tie_word_embeddings=True,
        attn_implementation="eager",  # at this size half the time of torch's fused kernel, on a CPU
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **{**SIZES, **(sizes or {})},
    )


def untrained(config: "LlamaConfig", seed: int) -> "LlamaForCausalLM":
    """A model with fresh float32 weights, decided by shape and seed; torch's own generator is left alone."""
    import torch
    from transformers import LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(seed_for("tiny", seed))
        return LlamaForCausalLM(config)


@contextmanager
def one_thread(model: Any = None) -> Iterator[None]:
    """Let torch compute on one core meanwhile, unless a model is given that is not small.

    Sums then come out the same on any number of cores. A second core saves a third of the time on an idle
    machine; on a busy one the many small steps wait for each other, measured four times slower.
    """
    import torch

    before = torch.get_num_threads()
    small = model is None or sum(weights.numel() for weights in model.parameters()) < SMALL
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
