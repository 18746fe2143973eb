"""`variants.yaml` beside an example's model.yaml is the same model: only variants, gates and remarks are its own."""

from pathlib import Path

import pytest

from tritonkit.spec.model import load_model_spec

EXAMPLES = Path(__file__).parents[3] / "examples"
OWN = {"variants", "gates"}


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18_fashion"])
def test_the_variants_are_of_the_same_model(name):
    plain, varied = (
        load_model_spec(EXAMPLES / name / file).model_dump(exclude=OWN) for file in ("model.yaml", "variants.yaml")
    )
    assert varied == plain
