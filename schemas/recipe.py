"""What a recipe may say. One TOML file is one recipe; its digest is its version."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Part(BaseModel):
    """A table of the TOML file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Slot(Part):
    """One thing that is drawn anew for every root, so that prompts differ (TinyStories, phi-1).

    Exactly one way of drawing: `each` one word of each list, `coins` every item by its own probability,
    `choice` one of the items.
    """

    each: list[Name] = Field(default=[], description="names of word lists; one word of each is drawn")
    coins: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="item -> probability of being asked for"
    )
    choice: list[str] = Field(default=[], description="items, one of which is drawn")

    @model_validator(mode="after")
    def _one_way(self) -> "Slot":
        if sum(map(bool, (self.each, self.coins, self.choice))) != 1:
            raise ValueError("a slot says exactly one of: each, coins, choice")
        return self


class Sampling(Part):
    """Sampling parameters, named as in the OpenAI API."""

    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, ge=0, le=1)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    max_tokens: int = Field(default=1024, ge=1)
    stop: list[str] = Field(default=[], max_length=4)


class Bootstrap(Part):
    """A level that feeds on its own output: Self-Instruct's growing pool (Wang et al. 2023)."""

    seeds: str = Field(description="file of seed tasks in tasks/seeds")
    n_human: int = Field(default=6, ge=1, description="seed tasks shown in each prompt")
    n_machine: int = Field(default=2, ge=0, description="generated tasks shown, when there are any")
    rouge: float = Field(default=0.7, gt=0, le=1, description="ROUGE-L F above which a task is not new")


class Level(Part):
    """One step down the tree: a prompt, and what the reply must look like."""

    name: Name
    parent: Name | None = Field(default=None, description="the level it grows from; none at the root")
    children: int = Field(default=1, ge=1, description="replies asked for each parent")
    prompt: str = Field(description="Jinja template; sees the slots and the text of every level above")
    reply: Literal["text", "sentence", "tasks", "flag", "instances", "json"] = Field(
        description="parser of the reply"
    )
    json_schema: dict[str, Any] | None = Field(
        default=None,
        description="for `json`: what the reply must be. An object's `text`, `input` and `output` become "
        "those of the sample; of an array each element becomes one",
    )
    sampling: Sampling = Sampling()
    bootstrap: Bootstrap | None = None
    instruction: str | None = Field(default=None, description="template of the instruction to train on")
    final: bool = Field(default=False, description="releases are made of this level")

    @model_validator(mode="after")
    def _schema_of_json(self) -> "Level":
        if (self.reply == "json") != (self.json_schema is not None):
            raise ValueError(f'level {self.name!r}: reply = "json" and json_schema go together')
        return self


class Checks(Part):
    """Bounds of the filters. Null switches one off."""

    min_words: int = Field(default=3, ge=0, description="shorter final texts are dropped")
    max_words: int = Field(default=2000, ge=1, description="longer final texts are dropped")
    obedience: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="least share of what was asked for (words, sentence) in the text",
    )
    shingle: Literal[3, 5] = Field(default=5, description="words per shingle: 5 for long texts, 3 for short")

    @model_validator(mode="after")
    def _some_length_passes(self) -> "Checks":
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self


class Recipe(Part):
    """One recipe."""

    name: Name
    title: str
    citation: str
    language: str = "en"
    licence: str
    slots: dict[Name, Slot] = {}
    checks: Checks = Checks()
    levels: list[Level] = Field(min_length=1, alias="level")

    @model_validator(mode="after")
    def _a_tree(self) -> "Recipe":
        seen: set[str] = set()
        for level in self.levels:
            if level.parent is not None and level.parent not in seen:
                raise ValueError(
                    f"level {level.name!r} grows from {level.parent!r}, which is not a level above it; "
                    f"above it: {sorted(seen)}"
                )
            seen.add(level.name)
        if len(seen) < len(self.levels):
            raise ValueError("two levels have one name")
        if not any(level.final for level in self.levels):
            raise ValueError("no level is final: nothing would be released")
        return self
