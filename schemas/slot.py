"""What is drawn anew for every tree of a recipe, so that prompts differ (TinyStories, phi-1)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Part(BaseModel):
    """A table of the TOML file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Slot(Part):
    """One thing that is drawn. Exactly one way: `each`, `choice`, `coins` or `subsets`."""

    each: list[str] = Field(
        default=[], description="word lists, a name in tasks/words or a path; one word of each is drawn"
    )
    choice: list[str] = Field(default=[], description="items, one of which is drawn")
    choice_of: str = Field(default="", description="the same from a word list, by name or path")
    needs: dict[str, str] = Field(
        default={}, description="number of an item of `choice`, from 1 -> field of the source without which "
        "it is not drawn",
    )  # fmt: skip
    coins: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="item -> probability of being asked for"
    )
    at_least: int = Field(default=0, ge=0, description="for `coins`: drawn again until so many fell")
    subsets: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="items joined by + -> weight of asking for exactly these"
    )
    subsets_file: str = Field(
        default="", description="the same from a JSON file: lists of items or joined names -> weights"
    )

    @model_validator(mode="after")
    def _one_way(self) -> "Slot":
        ways = (self.each, self.choice, self.choice_of, self.coins, self.subsets, self.subsets_file)
        if sum(map(bool, ways)) != 1:
            raise ValueError(
                "a slot says exactly one of: each, choice, choice_of, coins, subsets, subsets_file"
            )
        if self.subsets and not any(self.subsets.values()):
            raise ValueError("subsets: no subset has a weight above 0")
        falling = sum(share > 0 for share in self.coins.values())
        if self.at_least > falling:
            raise ValueError(f"at_least is {self.at_least}, but only {falling} coins can fall")
        strange = [number for number in self.needs if not _is_item(number, self.choice)]
        if strange:
            raise ValueError(f"needs: no item number {strange[0]!r}; choice has 1 to {len(self.choice)}")
        return self


def _is_item(number: str, items: list[str]) -> bool:
    return number.isdecimal() and 1 <= int(number) <= len(items)
