"""What one example tells of a network, and what is said where it tells nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from builder.guess import guess_tensors
from tritonkit.spec.errors import InputError
from tritonkit.spec.tensors import TensorSpec


class Calls(nn.Module):
    """A network whose forward is the function given."""

    def __init__(self, forward):
        super().__init__()
        self.forward = forward


def _tensor(name, data_type, *dims, values=None):
    return TensorSpec(name=name, data_type=data_type, dims=dims, values=values)


def test_one_tensor_of_rows():
    guess = guess_tensors(nn.Linear(3, 5), torch.randn(4, 3))
    assert guess.inputs == (_tensor("input", "TYPE_FP32", 3),)
    assert guess.outputs == (_tensor("output", "TYPE_FP32", 5),)
    assert guess.batched
    assert guess.requests["input"].shape == (4, 3)


def test_several_tensors_by_name_whole_numbers_with_their_range_and_two_answers():
    def forward(tokens, scale):
        return {"doubled": tokens * scale, "count": tokens.sum(1, keepdim=True)}

    example = {"scale": np.full((2, 1), 0.5, np.float16), "tokens": torch.tensor([[3, 9, 4], [1, 1, 7]])}
    guess = guess_tensors(Calls(forward), example)
    assert set(guess.inputs) == {_tensor("scale", "TYPE_FP16", 1), _tensor("tokens", "TYPE_INT64", 3, values=(1, 9))}
    assert guess.outputs == (_tensor("doubled", "TYPE_FP16", 3), _tensor("count", "TYPE_INT64", 1))
    assert guess.batched


def test_a_sequence_of_arguments_and_of_answers():
    guess = guess_tensors(Calls(lambda left, right: (left + right, right > 0)), (torch.ones(2, 3), torch.ones(2, 3)))
    assert [tensor.name for tensor in guess.inputs] == ["left", "right"]
    assert [(tensor.name, tensor.data_type) for tensor in guess.outputs] == [
        ("output_0", "TYPE_FP32"),
        ("output_1", "TYPE_BOOL"),
    ]


@pytest.mark.parametrize(
    "forward",
    [
        lambda matrix: matrix @ torch.ones(3, 3) if len(matrix) == 2 else 1 / 0,
        lambda matrix: matrix - matrix.mean(0),
        lambda matrix: matrix.T,
    ],
    ids=["takes one size", "looks over its rows", "answers other rows"],
)
def test_rows_that_are_no_samples(forward):
    guess = guess_tensors(Calls(forward), torch.arange(6.0).reshape(2, 3))
    assert not guess.batched
    assert guess.inputs == (_tensor("matrix", "TYPE_FP32", 2, 3),)
    assert guess.requests["matrix"].shape == (1, 2, 3)


def _fails(network, example):
    with pytest.raises(InputError) as caught:
        guess_tensors(network, example)
    return str(caught.value)


def test_a_forward_that_fails_names_the_module_and_the_shapes():
    text = _fails(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 6)), torch.ones(2, 3))
    assert "Sequential.1: the network fails on the example; got input [2, 3]: RuntimeError: " in text
    assert "the batch dimension first" in text


@pytest.mark.parametrize(
    ("forward", "example", "told"),
    [
        (lambda x: x, {"y": torch.ones(1, 2)}, "does not fit the network's forward; got y; expected x"),
        (lambda x: x, [torch.ones(1), torch.ones(1)], "got 2 tensors; expected x"),
        (lambda x: x, (), "got nothing; expected x"),
        (lambda x: x, "text", "something else than tensors; got str"),
        (lambda x: {"a": [x]}, torch.ones(1, 2), "answers something else than tensors; got a: list"),
        (lambda x: {"x": x}, torch.ones(1, 2), "an output has the name of an input; got x"),
        (lambda x: {"a b": x}, torch.ones(1, 2), "output 'a b': a tensor has a name that no tensor may have"),
        (lambda x: x.sum(1), torch.ones(2, 2), "no dimension besides the batch, or an empty one; got [2]"),
        (lambda x: torch.complex(x, x), torch.ones(1, 2), "a data type that is not served; got complex64"),
        (lambda x: x, torch.ones(1, 2, dtype=torch.bfloat16), "a data type that is not served; got bfloat16"),
    ],
)
def test_what_cannot_be_guessed_is_said(forward, example, told):
    assert told in _fails(Calls(forward), example)
