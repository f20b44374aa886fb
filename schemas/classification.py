"""The form of the flow `classifier`: where the labels stand in files, and how the classifier learns."""

from pydantic import Field

from schemas.settings import Form


class Classification(Form):
    """From a labelled release and a real labelled set to a classifier and its scores."""

    text: str = Field("text", title="Text column", min_length=1, description="Column of the texts.")
    label: str = Field("label", title="Label column", min_length=1, description="Column of the labels.")
    map: list[str] = Field(
        [], title="Label map",
        description="DATA=RELEASE each: what the data calls DATA is RELEASE in the release, as pos=positive.",
    )  # fmt: skip
    train: list[str] = Field(
        [], title="Real training files",
        description="Real rows to train the ceiling on; empty: the data is halved by a hash of each text.",
    )  # fmt: skip
    encoder: str = Field(
        "minilm", title="Encoder",
        description="minilm (packaged, needs no network), a hub name or a local folder.",
    )  # fmt: skip
    c: float = Field(
        1.0, title="C", gt=0, le=1e6,
        description="Inverse strength of the L2 penalty, as in scikit-learn; the same for every fit.",
    )  # fmt: skip
    seed: int = Field(0, title="Seed", ge=0, description="Seed of shuffles and bootstraps, 0 or more.")
