"""What makes two engines the same engine, and what is said where they differ."""

import pytest

from builder.engines.records import key_difference, require_compute_capability, sm_name
from tests.unit.engines.engine_keys import key
from tritonkit.spec.errors import InputError

CHANGES = {
    "onnx_sha256": ("cd" * 32, "ONNX file cdcdcdcdcdcd instead of abababababab"),
    "compute_capability": ("8.9", "compute capability 8.9 instead of 8.6"),
    "version": ("10.13.3.9", "TensorRT 10.13.3.9 instead of TensorRT 10.14.1.48"),
    "library": ("tensorrt_rtx", "TensorRT-RTX 10.14.1.48 instead of TensorRT 10.14.1.48"),
    "precision": ("int8", "precision int8 instead of fp16"),
    "profile": ({"image": ((1, 3), (2, 3), (2, 3))}, "shapes of image 1x3 / 2x3 / 2x3 instead of 1x3x8x8 / 4x3x8x8"),
    "settings": ({"tf32": True}, "tf32 True instead of False"),
}


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_makes_another_engine_and_is_named(field):
    changed, says = CHANGES[field]
    other = key(**{field: changed})
    assert other.digest() != key().digest()
    (difference,) = key_difference(key(), other)
    assert difference.startswith(says)


def test_the_digest_does_not_depend_on_the_order_of_inputs():
    shapes = ((1, 2), (1, 2), (1, 2))
    one, two = key(profile={"a": shapes, "b": shapes}), key(profile={"b": shapes, "a": shapes})
    assert one.digest() == two.digest()


def test_equal_keys_differ_in_nothing():
    assert key_difference(key(), key()) == ()


@pytest.mark.parametrize(("capability", "name"), [("8.6", "sm86"), ("12.0", "sm120")])
def test_the_name_of_a_compute_capability(capability, name):
    assert sm_name(require_compute_capability(capability)) == name


@pytest.mark.parametrize("text", ["86", "sm_86", "8.6.1", "", "0.1"])
def test_what_is_no_compute_capability(text):
    with pytest.raises(InputError, match=r"such as 8\.6"):
        require_compute_capability(text)
