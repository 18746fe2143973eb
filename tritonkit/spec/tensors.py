"""Tensors as `model.yaml` describes them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document
from tritonkit.spec.dtypes import TritonType

TensorName = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.:/-]*$")]


class TensorSpec(Document):
    """One input or output, without its batch dimension."""

    name: TensorName = Field(description="Name of the tensor.")
    data_type: TritonType = Field(description="Data type in Triton's words, such as TYPE_FP32.")
    dims: tuple[int, ...] = Field(
        description="Shape without the batch dimension; -1 is free. The whole shape where serving.max_batch_size is 0."
    )
    free: tuple[str, ...] = Field(
        (),
        description="Names of the free dimensions, in their order. Dimensions of one name have one size in a request, "
        "as those of input_ids and attention_mask do.",
    )
    values: tuple[int, int] | None = Field(
        None, description="Integer inputs: lowest and highest value that parity asks, such as [0, 1] for a mask."
    )

    @model_validator(mode="after")
    def _dims_are_positive_or_free(self) -> Self:
        bad = [dim for dim in self.dims if dim < 1 and dim != -1]
        if bad:
            raise ValueError(f"a dimension is 1 or more, or -1 where it is free; {bad[0]} is neither")
        if self.free and len(self.free) != self.dims.count(-1):
            raise ValueError(f"free names {len(self.free)} dimensions, and {self.dims.count(-1)} of dims are -1")
        if self.values is not None and self.values[0] > self.values[1]:
            raise ValueError(f"values are [lowest, highest]; {list(self.values)} has them the other way round")
        return self

    def free_names(self) -> tuple[str, ...]:
        """The free dimensions' names, those that the spec does not name included."""
        return self.free or tuple(f"{self.name}.{axis}" for axis, dim in enumerate(self.dims) if dim == -1)
