"""What a recipe may say. One TOML file is one recipe; its digest is its version."""

from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from schemas.slot import Name, Part, Slot


class Sampling(Part):
    """Sampling parameters, named as in the OpenAI API."""

    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, ge=0, le=1)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    max_tokens: int = Field(default=1024, ge=1)
    stop: list[str] = Field(default=[], max_length=4)


class Source(Part):
    """What trees grow from when it is not drawn: rows of files, ours or the user's (`--source`)."""

    level: Name = Field(description="level that the rows become; later prompts see their text by this name")
    file: str = Field(
        description="file in tasks/seeds, or several with spaces between, read when the user names none"
    )
    reader: Name = Field(default="rows", description="how files are read; see tasks/source_readers")
    text: Name = Field(description="field that is the text of a row")
    fields: list[Name] = Field(default=[], description="further fields; a row without one has it empty")
    order: Literal["random", "file"] = Field(
        default="random", description="which rows are taken when fewer are wanted: a draw, or the first"
    )
    options: dict[str, JsonValue] = Field(default={}, description="of the reader")


class Bootstrap(Part):
    """A level that feeds on its own output: Self-Instruct's growing pool (Wang et al. 2023)."""

    seeds: str = Field(description="file of seed tasks in tasks/seeds")
    n_human: int = Field(default=6, ge=1, description="seed tasks shown in each prompt")
    n_machine: int = Field(default=2, ge=0, description="generated tasks shown, when there are any")
    classification_only: bool = Field(default=False, description="show classification seeds only")
    rouge: float = Field(default=0.7, gt=0, le=1, description="ROUGE-L F above which a task is not new")
    yields: int = Field(default=7, ge=1, description="tasks that one reply brings at most")


class Judge(Part):
    """A level whose replies judge their parents: each becomes a verdict, with the reply as its witness."""

    filter: Name = Field(description="name of the filter in `verdict`")
    at_least: float | None = Field(default=None, description="score kept from here on; none only records")


class Examples(Part):
    """Kept samples of the same shard that a prompt shows: Humpback's second iteration."""

    judged_by: Name = Field(description="judging level; what it scored best is shown")
    at_least: float = Field(description="least score of an example")
    n: int = Field(default=3, ge=1, description="examples shown, or fewer when there are not so many")


class Evolution(Part):
    """Rounds over the same trees: a level replaces its parent when all goes well (Evol-Instruct)."""

    level: Name = Field(description="level that takes the place of its parent in the next round")
    rounds: int = Field(default=4, ge=1, le=20)


class Format(Part):
    """How an instruction and its input become the words of the user (Self-Instruct, stage 5)."""

    with_input: list[str] = Field(min_length=1, description="Jinja templates; see `instruction`, `input`")
    without_input: list[str] = Field(min_length=1, description="Jinja templates; see `instruction`")
    drop_field_name: float = Field(
        default=0.0, ge=0, le=1,
        description="chance that an input with one field name ('Text: ...') loses it",
    )  # fmt: skip


class Fields(Part):
    """Parts of an instruction, of which some are drawn and put in random order (TinyStories-Instruct)."""

    parts: dict[str, str] = Field(
        min_length=1, description="label -> Jinja template; an empty part is left out"
    )
    subset: Literal["random", "all"] = Field(
        default="random", description="each part by an even coin, or all"
    )
    order: Literal["random", "file"] = "random"
    at_least: int = Field(default=1, ge=0, description="fewest parts; drawn again until so many")


class Level(Part):
    """One step down the tree: a prompt and what the reply must look like, or a maker that asks no model."""

    name: Name
    parent: Name | None = Field(default=None, description="the level it grows from; none at the root")
    gather: list[Name] = Field(default=[], description="children of the parent that it sees as lists")
    children: int = Field(default=1, ge=1, description="replies asked for each parent")
    prompt: str | None = Field(
        default=None, description="Jinja template; sees the slots and the text of every level above"
    )
    system: str | None = Field(default=None, description="template of the system message, when there is one")
    reply: Name | None = Field(default=None, description="parser of the reply")
    json_schema: dict[str, Any] | None = Field(
        default=None,
        description="for `json`: what the reply must be. An object's `text`, `input` and `output` become "
        "those of the sample; of an array each element becomes one",
    )
    make: Name | None = Field(
        default=None, description="maker of samples without a model, instead of a prompt"
    )
    options: dict[str, JsonValue] = Field(default={}, description="of the parser or maker")
    sampling: Sampling = Sampling()
    bootstrap: Bootstrap | None = None
    judge: Judge | None = None
    examples: Examples | None = None
    format: Format | None = None
    fields: Fields | None = None
    instruction: str | None = Field(default=None, description="template of the instruction to train on")
    input: str | None = Field(default=None, description="template of the input to train on")
    output: str | None = Field(default=None, description="template of the answer to train on; sees `reply`")
    train_system: str | None = Field(
        default=None, description="template of the system message to train on, in place of the asked one"
    )
    final: bool = Field(default=False, description="releases are made of this level")

    @model_validator(mode="after")
    def _one_maker(self) -> "Level":
        if (self.make is None) == (self.prompt is None) or (self.prompt is None) != (self.reply is None):
            raise ValueError(f"level {self.name!r} says either prompt and reply, or make")
        if (self.reply == "json") != (self.json_schema is not None):
            raise ValueError(f'level {self.name!r}: reply = "json" and json_schema go together')
        if self.judge is not None and (self.final or self.children > 1 or self.parent is None):
            raise ValueError(f"level {self.name!r} judges its parent: once, and it is not final")
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
    language: bool = Field(default=True, description="drop final texts in another language")
    round_trip: int | None = Field(
        default=None, ge=1,
        description="a query is kept when retrieval ranks its document so high (Promptagator: 1)",
    )  # fmt: skip
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
    language: str = Field(default="en", description="BCP 47 tag of the texts")
    licence: str
    sampler: Literal["balanced", "random"] = Field(
        default="balanced",
        description="balanced: every item equally often, every pair once before any comes twice; "
        "random: independent draws, as most papers do",
    )
    source: Source | None = None
    slots: dict[Name, Slot] = {}
    checks: Checks = Checks()
    evolution: Evolution | None = None
    levels: list[Level] = Field(min_length=1, alias="level")

    @model_validator(mode="after")
    def _a_tree(self) -> "Recipe":
        seen = {self.source.level} if self.source else set()
        for level in self.levels:
            examples = [level.examples.judged_by] if level.examples else []
            above = {level.parent, *level.gather, *examples} - {None}
            if strange := sorted(above - seen):
                raise ValueError(
                    f"level {level.name!r} speaks of {strange[0]!r}, which is not a level above it; "
                    f"above it: {sorted(seen)}"
                )
            if level.name in seen:
                raise ValueError(f"two levels are named {level.name!r}")
            seen.add(level.name)
        if self.source and any(level.parent is None for level in self.levels):
            raise ValueError(f"a recipe with a source has no other root: parent = {self.source.level!r}")
        if self.evolution and self.evolution.level not in seen:
            raise ValueError(f"evolution: no level {self.evolution.level!r}; known: {sorted(seen)}")
        drawn = [each.name for each in self.levels if each.parent is None and each.bootstrap is None]
        if self.evolution and drawn:
            raise ValueError(f"level {drawn[0]!r} has no parent: an evolution begins with a source or a pool")
        if not any(level.final for level in self.levels):
            raise ValueError("no level is final: nothing would be released")
        return self
