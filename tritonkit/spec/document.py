"""What every part of a document has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Positive = Annotated[float, Field(gt=0)]
FunctionPath = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class Document(BaseModel):
    """What every part of the spec has in common: frozen, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)
