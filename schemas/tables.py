"""What every table of the warehouse holds: one frozen class per table, and nothing else says so.

From a class come the Arrow schema, the Parquet columns, the DuckDB view and `docs/tables.md`. `key` is the
declared grain: the store refuses a part that repeats it.
"""

import types
import typing
from typing import Annotated, Any, ClassVar, Union

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

Json = Annotated[str, "canonical JSON text"]
U32x128 = Annotated[list[int], pa.list_(pa.uint32(), 128)]
F32s = Annotated[list[float], pa.list_(pa.float32())]
F64s = Annotated[list[float], pa.list_(pa.float64())]


class Row(BaseModel):
    """One row of something; unknown columns are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Row):
    """One turn of a conversation."""

    role: str
    content: str


class Gate(Row):
    """One rule for a release; `passed` is null when the value could not be known, which does not pass."""

    name: str
    passed: bool | None
    value: float | None
    threshold: float
    blocks: bool
    rule: str


class File(Row):
    """One exported file of a release."""

    path: str
    rows: int
    sha256: str


class Table(Row):
    """A table: its name is the class name in lower case, its grain is `key`."""

    key: ClassVar[tuple[str, ...]]

    @classmethod
    def table_name(cls) -> str:
        """The name of the view and of the folder of its parts."""
        return cls.__name__.lower()

    @classmethod
    def arrow(cls) -> pa.Schema:
        """The Arrow schema, in declared order; a column is nullable when its type admits None."""
        return pa.schema([_field(name, info) for name, info in cls.model_fields.items()])


class Sample(Table):
    """One text (or message list). `parent_id` makes trees, so a recipe may have any depth."""

    key = ("sample_id",)
    sample_id: str = Field(description="blake2b-128 of run, level, parent, ordinal and content")
    parent_id: str | None = Field(description="the sample it was grown from; null at a root")
    root_id: str = Field(description="the root of its tree; its own id at a root. Releases split by it")
    run_id: str = Field(description="the run that made it")
    recipe: str = Field(description="recipe, or the name given to curated data")
    level: str = Field(description="level of the recipe, `row` for curated data")
    final: bool = Field(description="whether releases are made of this level")
    ordinal: int = Field(
        description="place in its level of the run; line or row number (from 1) for curated data"
    )
    text: str = Field(description="what is compared, embedded and counted")
    messages: list[Message] | None = Field(description="the conversation, when it has one")
    instruction: str | None = Field(description="Alpaca form: what is asked")
    input: str | None = Field(description="Alpaca form: context of the instruction, may be empty")
    output: str | None = Field(description="Alpaca form: the answer; of a preference pair the winning one")
    rejected: str | None = Field(None, description="the losing answer of a preference pair")
    slots: Json = Field(description="what was asked for: words, features, topic, audience, label")
    language: str = Field(description="BCP 47 language tag")
    origin: str = Field(description="`generated`, or the file it came from")
    origin_id: str | None = Field(description="the user's own id, untouched")
    model: str | None = Field(description="model that wrote it; null when unknown")
    licence: str | None = Field(description="licence of the text")
    request_id: str | None = Field(description="the call that made it")


class Call(Table):
    """One LLM call as a run used it; a replayed one was paid for by an earlier run or attempt."""

    key = ("run_id", "request_id")
    request_id: str = Field(description="blake2b-128 of model, messages, sampling, index and schema")
    run_id: str = Field(description="the run that used the reply")
    recipe: str = Field(description="recipe that asked")
    level: str = Field(description="level that asked")
    provider: str = Field(description="`offline`, `transformers`, `vllm`, or the endpoint that answered")
    model: str = Field(description="what the provider calls the model")
    messages: Json = Field(description="the prompt, as a JSON list of role and content")
    sampling: Json = Field(description="temperature, top_p, max_tokens, stop, seed and so on")
    reply: str | None = Field(description="the text that came back; null when the call failed")
    finish_reason: str | None = Field(description="stop, length, content_filter")
    error: str | None = Field(description="why there is no usable reply")
    n_prompt_tokens: int | None = Field(description="tokens of the prompt, as the endpoint counts")
    n_completion_tokens: int | None = Field(description="tokens of the completion, as the endpoint counts")
    latency_s: float = Field(
        description="seconds from sending to the last byte, of the attempt that answered"
    )
    cost_usd: float | None = Field(description="price when it was first paid; null when unknown, never 0")
    attempts: int = Field(description="how often it was sent, repairs of structured replies among them")
    replayed: bool = Field(description="true when the journal answered: nothing was sent, nothing is paid")


class Verdict(Table):
    """One filter's judgement of one sample. Filters testify; they never delete."""

    key = ("sample_id", "filter")
    sample_id: str = Field(description="the sample judged")
    run_id: str = Field(description="the run that judged")
    filter: str = Field(
        description="format, quality, rouge, exact, minhash, embedding, leak, semantic, obedience and so on"
    )
    keep: bool = Field(description="false drops the sample and everything grown from it")
    score: float | None = Field(description="in the filter's own unit")
    threshold: float | None = Field(description="in the same unit")
    witness_id: str | None = Field(
        description="the sample it repeats; of `leak` the file and line of an evaluation row"
    )
    reason: str | None = Field(description="why it was dropped, in words")


class Signature(Table):
    """One sample's MinHash under one contract."""

    key = ("sample_id", "contract")
    sample_id: str = Field(description="the sample")
    run_id: str = Field(description="the run that computed it")
    contract: str = Field(description="normalisation, shingle, hash, scheme, seed and K")
    n_shingles: int = Field(description="distinct shingles of the text")
    minhash: U32x128 = Field(description="K = 128 minima")
    digest: bytes | None = Field(
        None, description="blake2b-128 of the words in order, what `exact` compares; null without words"
    )


class Embedding(Table):
    """One sample's unit vector under one encoder."""

    key = ("sample_id", "encoder")
    sample_id: str = Field(description="the sample")
    run_id: str = Field(description="the run that computed it")
    encoder: str = Field(description="model, revision, dtype and backend: never compared across encoders")
    truncated: bool = Field(description="whether the text was longer than the encoder reads")
    vector: F32s = Field(description="(d,) float32, unit length")
    text_digest: bytes | None = Field(
        None, description="blake2b-128 of the text as it is: no text is embedded twice by one encoder"
    )


class Neighbour(Table):
    """The most similar other sample under one encoder, as one run saw it."""

    key = ("sample_id", "encoder", "kind", "run_id")
    sample_id: str = Field(description="the sample")
    run_id: str = Field(description="the run that compared")
    encoder: str = Field(description="encoder of the vectors")
    kind: str = Field(
        description="`prior`: among what was kept before the sample came, never changed; `all`: among "
        "everything kept up to this run, of which the most similar counts"
    )
    cosine: float = Field(description="-1 to 1")
    neighbour_id: str = Field(description="the sample that is so similar; one that was kept")


class Moment(Table):
    """First and second moments of the unit vectors of one run and recipe: they add, and are taken off."""

    key = ("run_id", "recipe", "encoder")
    run_id: str = Field(description="the run that made the samples")
    recipe: str = Field(description="recipe of the samples")
    encoder: str = Field(description="encoder of the vectors")
    n: int = Field(description="kept final samples with a vector")
    total: F64s = Field(description="(d,) sum of x")
    outer: F64s = Field(description="(d (d + 1) / 2,) upper triangle of the sum of x x^T, row by row")


class Tally(Table):
    """Counts of one run and recipe that add over runs, and are taken off with a run."""

    key = ("run_id", "recipe", "statistic", "item")
    run_id: str = Field(description="the run that made the samples")
    recipe: str = Field(description="recipe of the samples")
    statistic: str = Field(description="what is counted, with its codebook if it has one: tasks/tallies.py")
    item: str = Field(description="which cell, word, pair of words (tab between), label, filter, level")
    n: int = Field(description="how often")


class Metric(Table):
    """One number about one scope. A new statistic is a new row, never a new column."""

    key = ("run_id", "scope", "scope_id", "metric")
    run_id: str = Field(description="the run that measured")
    scope: str = Field(description="run, recipe, lineage, stage, slot, label, release or checkpoint")
    scope_id: str = Field(description="which one; of a stage, slot or label <recipe>/<name>")
    metric: str = Field(description="name of the statistic, see docs/statistics.md")
    value: float | None = Field(description="null when it cannot be known, never 0 instead")
    n: int = Field(description="observations behind the value")
    low: float | None = Field(description="lower end of the 95% interval")
    high: float | None = Field(description="upper end of the 95% interval")
    version: str = Field(
        description="version of the statistic, / tokeniser or codebook; never compared across versions"
    )
    encoder: str | None = Field(description="encoder, for statistics on embeddings")


class Release(Table):
    """One frozen corpus."""

    key = ("release_id",)
    release_id: str = Field(description="digest of its rows and of the recipe behind them")
    run_id: str = Field(description="the run that froze it")
    name: str = Field(description="recipes or name of the data set, joined by +")
    edition: str = Field(description="edition of the run")
    model: str | None = Field(description="model that wrote the texts; null when unknown")
    n_train: int = Field(description="rows to train on")
    n_heldout: int = Field(description="rows to evaluate on; no tree has rows in both")
    passed: bool = Field(description="whether every gate that blocks passed")
    gates: list[Gate] = Field(description="each rule with its value")
    path: str = Field(description="folder of the exported files, relative to the warehouse")
    files: list[File] = Field(description="what lies there")
    row_digest: str = Field(description="sha256 over the sorted canonical rows; survives a library upgrade")
    selection: Json | None = Field(
        None, description="how its training rows were selected; null when all clean ones are in it"
    )
    control_of: str | None = Field(
        None,
        description="the release whose random control this is; nothing takes a control unless it is named",
    )


class Member(Table):
    """One sample in one release."""

    key = ("release_id", "sample_id")
    release_id: str = Field(description="the release")
    sample_id: str = Field(description="the sample")
    run_id: str = Field(description="the run that froze the release")
    split: str = Field(description="train or heldout")


class Checkpoint(Table):
    """One trained model."""

    key = ("checkpoint_id",)
    checkpoint_id: str = Field(description="digest of release, base model and settings, or of the run")
    run_id: str = Field(description="the run that trained it")
    release_id: str = Field(description="the release it was trained on")
    base_model: str = Field(description="`tiny` (from scratch), a hub name or a path; or an encoder")
    method: str = Field(description="full, lora or logistic_regression")
    settings: Json = Field(description="training settings")
    path: str = Field(description="folder of the weights, relative to the warehouse")
    n_parameters: int = Field(description="all parameters")
    n_trainable: int = Field(description="parameters that were trained")
    steps: int = Field(description="optimiser steps")
    train_loss: float = Field(description="mean loss over training, nats per token; of a classifier per row")
    sha256: str = Field(description="of the safetensors file")


class Reject(Table):
    """One row of somebody's file that could not be read."""

    key = ("run_id", "origin", "line")
    run_id: str = Field(description="the run that read the file")
    origin: str = Field(description="the file")
    line: int = Field(description="line or row number, from 1; 0 for the file as a whole")
    reason: str = Field(description="why, in words")
    content: str = Field(description="the first 500 characters")


class Run(Table):
    """One run: what was asked, when, on top of which version."""

    key = ("run_id",)
    run_id: str = Field(description="digest of flow, recipe, edition and parameters")
    flow: str = Field(description="corpus, curate, classifier, model or rejudge")
    name: str = Field(description="recipes, data set or release")
    edition: str = Field(description="names the run among its repetitions")
    parameters: Json = Field(description="everything that was asked")
    base_version: int = Field(description="version of the warehouse it was built on")
    started_at: str = Field(description="UTC, ISO 8601")
    finished_at: str = Field(description="UTC, ISO 8601")
    software: str = Field(description="name and version of this program")


def tables() -> dict[str, type[Table]]:
    """All tables by name: declaring one registers it."""
    return {cls.table_name(): cls for cls in Table.__subclasses__()}


_SCALARS: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
}


def _field(name: str, info: Any) -> pa.Field:
    marks = [m for m in info.metadata if isinstance(m, pa.DataType)]
    optional, inner = _unwrap(info.annotation)
    return pa.field(name, marks[0] if marks else _arrow_type(inner), nullable=optional)


def _unwrap(annotation: Any) -> tuple[bool, Any]:
    """`X | None` gives (True, X), anything else (False, itself)."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not types.NoneType]
        return True, inner[0]
    return False, annotation


def _arrow_type(annotation: Any) -> pa.DataType:
    if typing.get_origin(annotation) is Annotated:
        return _arrow_type(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is list:
        return pa.list_(_arrow_type(typing.get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, Row):
        return pa.struct([_field(n, i) for n, i in annotation.model_fields.items()])
    return _SCALARS[annotation]
