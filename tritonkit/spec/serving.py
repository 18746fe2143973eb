"""How the parts of a pipeline run; Triton's own words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tritonkit.spec.document import Document, Name
from tritonkit.spec.sequences import SequenceBatching


class QueuePolicy(Document):
    """What a full queue does; Triton's `ModelQueuePolicy`."""

    max_queue_size: int = Field(
        256, ge=0, description="Requests that may wait before new ones are refused (503); 0 is without a bound."
    )


class DynamicBatching(Document):
    """Triton's `dynamic_batching`."""

    preferred_batch_size: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Batch sizes that are sent on at once; empty leaves the choice to Triton."
    )
    max_queue_delay_microseconds: int = Field(
        0, ge=0, description="How long a request may wait for company. 0 batches only what waits for a busy instance."
    )
    default_queue_policy: QueuePolicy = Field(QueuePolicy(), description="The bound of the queue.")


class InstanceGroup(Document):
    """Triton's `instance_group`: how many copies run, and on what."""

    kind: Literal["KIND_AUTO", "KIND_CPU", "KIND_GPU", "KIND_MODEL"] = Field(
        "KIND_AUTO", description="KIND_AUTO takes a GPU where there is one."
    )
    count: int = Field(1, ge=1, le=256, description="Copies; for each GPU where the kind is one.")


class PartServing(Document):
    """How one part of the ensemble runs."""

    dynamic_batching: DynamicBatching = Field(DynamicBatching(), description="How requests are put together.")
    instance_group: tuple[InstanceGroup, ...] = Field((InstanceGroup(),), description="How many copies run, on what.")


class StepServing(PartServing):
    """How a Python step runs: on the CPU, each instance a process of its own."""

    instance_group: tuple[InstanceGroup, ...] = Field(
        (InstanceGroup(kind="KIND_CPU"),), description="How many processes run the step."
    )


class Serving(PartServing):
    """How the network itself runs, and which variant the published ensemble calls."""

    variant: Name = Field(description="The variant that the published ensemble calls.")
    max_batch_size: int = Field(
        ge=0, description="Largest batch of the ensemble and of each of its parts; 0 if the tensors have no batch."
    )
    sequence_batching: SequenceBatching | None = Field(
        None, description="For a stateful network, in the place of dynamic_batching."
    )
    parameters: dict[str, str] = Field(
        {}, description="Parameters of the backend, such as intra_op_thread_count; always text, as in config.pbtxt."
    )
