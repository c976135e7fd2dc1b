"""Types with limits, and the base class of the groups of parameters."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Impossible(ValueError):
    """Parameters that are valid alone but not together; `key` is the one to fix, relative to the section."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(fault)
        self.key = key


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even: H.264 in yuv420p has no odd sizes")
    return value


Count = Annotated[int, Field(ge=1)]
Amount = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Pixels = Annotated[int, Field(ge=16, le=4096), AfterValidator(_even)]
FrameSize = Annotated[int, Field(ge=64, le=1024), AfterValidator(_even)]
PathText = Annotated[str, Field(min_length=1)]
"""DVC templates these into `deps`, where an empty string is an opaque error; a folder stands for "none"."""


class Section(BaseModel):
    """Base of all groups of parameters: no unknown keys, no silent conversions, no changes after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
