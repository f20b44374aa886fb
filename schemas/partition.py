"""What travels between stages: where rows rest, never the rows."""

from pydantic import BaseModel, ConfigDict, Field


class Partition(BaseModel):
    """One immutable Parquet part of one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    table: str = Field(description="name of the table")
    path: str = Field(description="relative to the warehouse root")
    rows: int = Field(ge=1, description="number of rows, at least 1")
    bytes: int = Field(description="size of the file")
    sha256: str = Field(description="of the file")
