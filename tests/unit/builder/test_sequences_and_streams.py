"""Sequences and streams: what is asked of them, and which wrong answers are noticed."""

import sys
import types
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from builder.answers.served_steps import replay_sequences, replay_streams
from builder.golden import Golden
from builder.prove import parity_report
from builder.sequences import read_sequences, run_by_steps
from builder.steps import __file__ as steps_file
from builder.streams import answer_stream
from tritonkit.spec.errors import InputError
from tritonkit.spec.gates import Tolerance
from tritonkit.spec.golden import Ask, Expect, GoldenBundle, Question
from tritonkit.spec.sequences import SequenceBatching
from tritonkit.spec.tensors import TensorSpec

X = TensorSpec(name="x", data_type="TYPE_FP32", dims=(1,))
SUM_IN = TensorSpec(name="sum_in", data_type="TYPE_FP32", dims=(1,))
Y = TensorSpec(name="y", data_type="TYPE_FP32", dims=(1,))
BATCHING = SequenceBatching.model_validate(
    {"max_sequence_idle_microseconds": 1, "state": [{"input_name": "sum_in", "output_name": "sum_out"}]}
)
SEQUENCES = np.arange(12, dtype=np.float32).reshape(3, 4, 1) + np.array([1, 10, 100], np.float32)[:, None, None]


def _sum(feed):
    total = feed["x"] + feed["sum_in"]
    return {"y": total, "sum_out": total}


def test_states_begin_at_zero_and_are_handed_from_step_to_step():
    answers = run_by_steps(_sum, {"x": SEQUENCES}, BATCHING, (X, SUM_IN), (Y,))
    assert answers.keys() == {"y"}
    np.testing.assert_array_equal(answers["y"], SEQUENCES.cumsum(axis=1))


def _golden(way, expected, **asked):
    question = Question(
        level="end_to_end",
        model="m",
        way=way,
        samples=tuple(f"sample {index}" for index in range(len(expected))),
        batches=(1 if way == "sequence" else 0,),
        inputs={name: Ask(array=name) for name in asked},
        outputs={"y": Expect(array="y", tolerance=Tolerance(absolute=1e-5, relative=1e-5, cosine=-1))},
    )
    bundle = GoldenBundle(name="m", variant="v", target="26.07", questions=(question,))
    return Golden(bundle=bundle, arrays={**asked, "y": expected}, files={})


class _Summing:
    """In the place of a client: keeps the sums of sequences, each by itself or, wrongly, all in one."""

    def __init__(self, *, mixed: bool) -> None:
        self.mixed, self.sums, self.ended = mixed, {}, 0

    @contextmanager
    def sequence(self, model):
        key = "all" if self.mixed else object()
        self.sums.setdefault(key, np.zeros((1, 1), np.float32))

        def infer(inputs, *, last, outputs):
            assert (model, outputs) == ("m", ("y",))
            self.sums[key] = self.sums[key] + inputs["x"]
            self.ended += last
            return {"y": self.sums[key]}

        yield types.SimpleNamespace(infer=infer)


def test_sequences_are_sent_step_by_step_and_mixed_states_are_noticed():
    golden = _golden("sequence", SEQUENCES.cumsum(axis=1), x=SEQUENCES)
    honest = _Summing(mixed=False)
    (comparison,) = replay_sequences(golden, honest, "http")
    assert (comparison.passed, comparison.batch, comparison.samples, honest.ended) == (True, 1, 3, 3)
    (comparison,) = replay_sequences(golden, _Summing(mixed=True), "grpc")
    assert not comparison.passed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda answers: answers, None),
        (lambda answers: answers[:-1], "sample 0: 2 answers of shape [1], expected 3 answers of shape [1]"),
        (lambda answers: [*answers, answers[-1]], "sample 0: 4 answers of shape [1], expected 3 answers of shape [1]"),
        (lambda answers: [answers[1], answers[0], answers[2]], "sample 0, element [0, 0]: got 1.0, expected 0.0"),
        (lambda _: [], "sample 0: 0 answers of shape [], expected 3 answers of shape [1]"),
    ],
    ids=["whole", "one short", "one more", "out of order", "none"],
)
def test_every_answer_of_a_stream_counts_and_its_place(change, problem):
    expected = np.array([[[0.0], [1.0], [2.0]], [[5.0], [6.0], [7.0]]], np.float32)
    golden = _golden("stream", expected, first=np.array([[0.0], [5.0]], np.float32))

    def stream(model, inputs, *, outputs):
        whole = [{"y": inputs["first"] + step} for step in range(3)]
        return iter(change(whole) if inputs["first"] == 0 else whole)

    (comparison,) = replay_streams(golden, types.SimpleNamespace(stream=stream))
    assert comparison.passed == (problem is None)
    assert problem is None or comparison.problem.startswith(problem)


def test_a_report_without_a_comparison_proves_nothing():
    golden = _golden("stream", np.zeros((1, 1, 1), np.float32), first=np.zeros((1, 1), np.float32))
    report = parity_report(golden, [], asked="nobody", server="none")
    assert not report.passed
    assert report.not_offered == {"http": "not offered by Triton for decoupled models"}
    asked = replace(golden, bundle=golden.bundle.model_copy(update={"questions": ()}))
    assert parity_report(asked, [], asked="nobody", server="none").not_offered == {}


def test_the_inputs_of_a_sequence_have_as_many_steps(tmp_path):
    (tmp_path / "good.json").write_text(
        '[{"x": [[1], [2], [3]], "sum_in": [[1], [2], [3]]}, {"x": [[1]], "sum_in": [[1]]}]'
    )
    assert [len(one["x"]) for one in read_sequences(tmp_path / "good.json", (X, SUM_IN))] == [3, 1]
    (tmp_path / "odd.json").write_text('[{"x": [[1], [2], [3]], "sum_in": [[1]]}]')
    with pytest.raises(InputError, match="x 3, sum_in 1"):
        read_sequences(tmp_path / "odd.json", (X, SUM_IN))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "with nothing"),
        ([{"z": [1.0]}], "KeyError: 'y'"),
        ([{"y": [1.0]}, {"y": [1.0, 2.0]}], r"\[1\], \[2\]"),
        ([{"y": [[1.0]]}], r"\[1, 1\]"),
        ([{"y": ["one"]}], "could not convert"),
    ],
)
def test_a_function_that_does_not_answer_as_the_spec_says_is_refused(answers, message):
    with pytest.raises(InputError, match=message):
        answer_stream(lambda _: iter(answers), {}, (Y,), where="request 0")


def test_an_array_that_is_filled_again_and_again_counts_as_it_was():
    def counting(request):
        buffer = np.zeros(1, np.float32)
        for _ in range(3):
            buffer += 1
            yield {"y": buffer}

    np.testing.assert_array_equal(answer_stream(counting, {}, (Y,), where="request 0")["y"], [[1], [2], [3]])


class _Sender:
    """In the place of Triton's: keeps what is sent, and is cancelled after so many answers."""

    def __init__(self, cancelled_after=None):
        self.sent, self.flags, self.cancelled_after = [], [], cancelled_after

    def is_cancelled(self):
        return self.cancelled_after is not None and len(self.sent) >= self.cancelled_after

    def send(self, response=None, flags=0):
        if response is not None:
            self.sent.append(response)
        self.flags.append(flags)


@pytest.fixture
def served(monkeypatch):
    """The step with a function of the test's own, and what it sends to a request."""
    utils = types.ModuleType("triton_python_backend_utils")
    utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
    utils.get_input_tensor_by_name = lambda _request, _name: types.SimpleNamespace(as_numpy=lambda: np.zeros(1))
    utils.Tensor = lambda name, array: (name, array.tolist())
    utils.InferenceResponse = lambda tensors=(), error=None: error or dict(tensors)
    utils.TritonError = lambda text, _code: text
    utils.TritonError.INVALID_ARG = 3
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", utils)
    monkeypatch.syspath_prepend(steps_file.rpartition("/")[0])
    monkeypatch.delitem(sys.modules, "python_stream", raising=False)
    import python_stream

    def send(function, *, time_limit=60.0, cancelled_after=None):
        model = python_stream.TritonPythonModel()
        model.function = function
        model.parameters = {"inputs": ["x"], "outputs": {"y": "float32"}, "time_limit": time_limit}
        sender = _Sender(cancelled_after)
        request = types.SimpleNamespace(get_response_sender=lambda: sender, requested_output_names=lambda: ["y"])
        model.execute([request])
        return sender

    return send


def _endless(request):
    number = 0
    while True:
        yield {"y": [number]}
        number += 1


def test_the_step_sends_each_answer_and_then_that_this_was_all(served):
    sender = served(lambda _: iter([{"y": [1]}, {"y": [2]}]))
    assert sender.sent == [{"y": [1.0]}, {"y": [2.0]}]
    assert sender.flags == [0, 0, 1]
    assert served(lambda _: iter([])).flags == [1]


def test_the_step_ends_a_stream_whose_client_left_or_whose_time_is_up(served):
    sender = served(_endless, cancelled_after=2)
    assert len(sender.sent) == 2
    assert sender.flags == [0, 0, 1]
    sender = served(_endless, time_limit=0.01)
    assert sender.sent[-1] == "TimeoutError: the stream took more than 0.01 s"
    assert sender.flags[-1] == 1


def test_what_the_function_raises_ends_the_stream_as_its_last_answer(served):
    def failing(request):
        yield {"y": [1]}
        raise ValueError("no more")

    sender = served(failing)
    assert sender.sent == [{"y": [1.0]}, "ValueError: no more"]
    assert sender.flags[-1] == 1
