"""What can be set: the forms of the flows, and the settings of this installation with their origin."""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.place import folder_of, is_url, work_folder


class Form(BaseModel):
    """Parameters of a flow, one level deep: what the Prefect form renders and the CLI offers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Curation(Form):
    """From samples to a release."""

    threshold: float = Field(
        0.7, title="Near-duplicate threshold", gt=0, le=1,
        description="Jaccard similarity at or above which two texts are near-duplicates, 0 to 1.",
    )  # fmt: skip
    against: Literal["warehouse", "run"] = Field(
        "warehouse", title="Compare with",
        description="warehouse: build on all earlier runs; run: let this run stand alone.",
    )  # fmt: skip
    encoder: str = Field(
        "minilm", title="Encoder",
        description="minilm (packaged, needs no network), a hub name or a local folder.",
    )  # fmt: skip
    backend: Literal["auto", "torch", "onnx", "openvino", "int8"] = Field(
        "auto", title="Encoder backend",
        description="auto and torch: bfloat16 where AMX or CUDA multiply it, else float32; onnx: float32; "
        "openvino; int8: onnxruntime, measures move by some percent.",
    )  # fmt: skip
    semantic: float | None = Field(
        None, title="Semantic threshold", gt=0, le=1,
        description="Cosine at or above which two texts mean the same, 0 to 1; empty: only measured.",
    )  # fmt: skip
    evaluation: list[str] = Field(
        [], title="Evaluation sets",
        description="Files, folders or globs that no training text may repeat (decontamination).",
    )  # fmt: skip
    select: Literal["all", "greedy_diverse", "quota", "random"] = Field(
        "all", title="Selection",
        description="Which clean samples are released; what is not all comes with a random control.",
    )  # fmt: skip
    select_rows: int | None = Field(
        None, title="Rows to select", ge=1, description="Most training rows of the release; empty: no bound.",
    )  # fmt: skip
    select_tokens: int | None = Field(
        None, title="Words to select", ge=1, description="Most words of its training texts; empty: no bound.",
    )  # fmt: skip
    heldout: float = Field(
        0.1, title="Held-out share", gt=0, lt=1,
        description="Share of the trees kept out of training, 0 to 1.",
    )  # fmt: skip
    min_train: int = Field(
        100, title="Least training rows", ge=1,
        description="A release with fewer rows is blocked, 1 or more.",
    )  # fmt: skip


class Making(Form):
    """From recipes to samples."""

    source: list[str] = Field(
        [], title="Source files",
        description="Files, folders, globs or releases for recipes that grow from rows; empty: their own.",
    )  # fmt: skip
    set: list[str] = Field(
        [], title="Changes of the recipes",
        description="key=value, such as sampler=random or tiny_stories:levels.story.children=2.",
    )  # fmt: skip
    steer: Literal["off", "coverage", "diversity"] = Field(
        "off", title="Steering",
        description="off: draw as designed; coverage: ask again what the texts lack; diversity: draw where "
        "a dollar brings most new texts.",
    )  # fmt: skip


class Budget(Form):
    """The most that a run may spend; no part of what is asked, so a higher one resumes the same run."""

    budget_usd: float | None = Field(
        None, title="Budget in USD", gt=0, description="Most US dollars of this run; empty: no cap.",
    )  # fmt: skip
    budget_tokens: int | None = Field(
        None, title="Budget in tokens", gt=0,
        description="Most prompt and completion tokens of this run; empty: no cap.",
    )  # fmt: skip
    budget_requests: int | None = Field(
        None, title="Budget in requests", gt=0, description="Most requests sent by this run; empty: no cap.",
    )  # fmt: skip


class Training(Form):
    """From a release to a checkpoint."""

    base_model: str = Field(
        "tiny", title="Base model",
        description="tiny (2 M parameters from scratch), a hub name or a local folder.",
    )  # fmt: skip
    method: Literal["auto", "full", "lora"] = Field(
        "auto", title="Method", description="auto: full for tiny, lora for a given base model.",
    )  # fmt: skip
    epochs: float = Field(
        2.0, title="Epochs", gt=0, le=100, description="Passes over the training rows, above 0 up to 100.",
    )  # fmt: skip
    learning_rate: float | None = Field(
        None, title="Learning rate", gt=0, lt=1,
        description="Peak rate; empty takes 1e-3 for tiny, 2e-4 for lora, 2e-5 for full.",
    )  # fmt: skip
    batch_size: int = Field(
        8, title="Batch size", ge=1, le=4096, description="Rows per optimiser step, 1 to 4096.",
    )  # fmt: skip
    max_length: int = Field(
        256, title="Context length", ge=16, le=131072, description="Tokens per row, 16 to 131072.",
    )  # fmt: skip
    seed: int = Field(0, title="Seed", ge=0, description="Seed of weights and order, 0 or more.")


class Storyteller(BaseModel):
    """How well the offline storyteller behaves; all rates are shares of replies, 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    obey: float = Field(0.93, ge=0, le=1, description="chance that one requested word or sentence is used")
    repeat: float = Field(0.04, ge=0, le=1, description="share of replies that repeat an earlier one closely")
    bad: float = Field(0.03, ge=0, le=1, description="share of replies that are empty, cut, off-format")


class Settings(BaseSettings):
    """Settings of this installation: environment, then seedloom.toml, then defaults."""

    model_config = SettingsConfigDict(
        env_prefix="SEEDLOOM_",
        env_nested_delimiter="__",
        toml_file="seedloom.toml",
        extra="forbid",
        hide_input_in_errors=True,  # a key under a mistyped name must not be printed
    )
    root: Path = Field(Path("data"), description="the warehouse: a folder, s3://bucket/prefix or gs://...")
    work: Path = Field(
        default_factory=work_folder, description="what a warehouse in a bucket keeps on this machine"
    )
    llm: LLM = Field(default_factory=LLM)
    storyteller: Storyteller = Field(default_factory=Storyteller)
    budget: Budget = Field(default_factory=Budget, description="most that a run may spend, see --help")
    recipes: Path | None = Field(None, description="folder with recipes of your own, beside those that ship")
    runner: Literal["threads", "dask", "ray"] = Field("threads", description="task runner of the flows")
    runner_address: str | None = Field(
        None, description="of a Dask scheduler (tcp://host:8786) or Ray head (ray://host:10001); empty: "
        "a cluster of this machine's own, for the time of a flow",
    )  # fmt: skip
    runner_workers: int = Field(2, ge=1, le=64, description="processes of such a cluster of its own")

    @model_validator(mode="before")
    @classmethod
    def _root_in_a_bucket(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A URL becomes its work folder at once: as a path it would lose a slash."""
        root = given.get("root")
        if root is None or not is_url(root):
            return given
        return {**given, "root": folder_of(str(root), Path(given.get("work") or work_folder()))}

    @property
    def identity(self) -> Any:
        """What decides which text a request brings: the model, and the storyteller's manners."""
        return [self.llm.model, self.storyteller.model_dump()] if self.llm.is_offline else self.llm.model

    def within(self, budget: Budget) -> "Settings":
        """These settings with the budget of one run; one that says nothing leaves that of the settings."""
        return self if budget == Budget() else self.model_copy(update={"budget": budget})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, seedloom.toml; .env files and secret folders are not read.

        Raises:
            BadInput: for a SEEDLOOM_ variable that names no setting, or a seedloom.toml that is no TOML.
        """
        _refuse_unknown_variables(settings_cls)
        try:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"seedloom.toml is no TOML: {error}") from error


def _refuse_unknown_variables(settings_cls: type[BaseSettings]) -> None:
    known = sorted(f"SEEDLOOM_{name.upper()}" for name in settings_cls.model_fields)
    for variable in os.environ:
        name = variable.upper()
        if name.startswith("SEEDLOOM_") and name.partition("__")[0] not in known:
            raise BadInput(f"{variable} in the environment names no setting; known: {known}")
