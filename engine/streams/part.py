"""What every object of a descriptor has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal


class Part(BaseModel):
    """An object of a descriptor: fields spelt ``LikeThis`` there and ``like_this`` here, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_pascal)
