"""Rules on instance groups (core, model_config_utils.cc `NormalizeInstanceGroup`, `ValidateInstanceGroup`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository


def group_kind(group: ModelConfig, *, gpus: bool) -> str:
    """The kind of `group` as the server resolves it: KIND_AUTO is KIND_GPU where there are GPUs, else KIND_CPU."""
    kind = str(group.DESCRIPTOR.enum_types_by_name["Kind"].values_by_number[group.kind].name)
    if kind == "KIND_AUTO":
        return "KIND_GPU" if gpus else "KIND_CPU"
    return kind


def instance_gpu(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """KIND_GPU needs a GPU."""
    for key, group in _groups(model):
        if group_kind(group, gpus=repository.target.gpus) == "KIND_GPU" and not repository.target.gpus:
            yield Finding(
                key=f"{key}.kind",
                cause="instance group has kind KIND_GPU but no GPUs are available",
                fix="set KIND_AUTO, which takes a GPU where there is one; or lint for a host with GPUs (--gpus)",
            )


def instance_gpus_list(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`gpus` is for GPU instances alone, and KIND_AUTO becomes KIND_CPU on a host without the GPUs that it lists."""
    for key, group in _groups(model):
        kind = group_kind(group, gpus=repository.target.gpus)
        if group.gpus and kind != "KIND_GPU":
            yield Finding(
                key=f"{key}.gpus",
                cause=f"instance group has kind {kind} but specifies one or more GPUs",
                fix="leave `gpus` out, which means all that there are",
            )


def instance_profile(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Optimisation profiles are TensorRT's, and are written as numbers."""
    del repository
    for key, group in _groups(model):
        if group.profile and model.config.platform != "tensorrt_plan":
            yield Finding(
                key=f"{key}.profile",
                cause="profile field is only supported for TensorRT models",
                fix="leave `profile` out",
            )
        elif any(not re.match(r"\s*\+?\d", profile) for profile in group.profile):
            yield Finding(
                key=f"{key}.profile",
                cause="a profile is the string of a non-negative integer",
                fix='write it as "0"',
            )


def _groups(model: ModelFacts) -> Iterator[tuple[str, ModelConfig]]:
    # An ensemble with instance groups is refused by another rule.
    if not model.config.HasField("ensemble_scheduling"):
        for index, group in enumerate(model.config.instance_group):
            yield f"instance_group[{index}]", group
