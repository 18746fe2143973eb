"""What the embedded onnxruntime backend answers: batches, every data type, ragged and optional inputs, sequences."""

from __future__ import annotations

import queue
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

from tests.cases.onnxruntime_models import CASES, LINEAR, Case, write_case
from tests.server_counts import eventually, executions, waiting
from tritonkit.server import ServerOptions

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("onnxruntime_answers")]

BY_NAME = {case.name: case for case in CASES}
TYPES = [case.name for case in CASES if case.name.startswith("type_") and case.loads]
BATCHED = Case(
    name="batched",
    rule="requests that arrive together run as one batch",
    loads=True,
    config=LINEAR + "dynamic_batching { max_queue_delay_microseconds: 200000 preferred_batch_size: [8] }\n",
)
# Requests wait for a batch of eight for an hour.
PATIENT = Case(
    name="patient",
    rule="what is cancelled in the queue is not executed",
    loads=True,
    config=LINEAR + "dynamic_batching { max_queue_delay_microseconds: 3600000000 preferred_batch_size: [8] }\n",
)
VERBOSE = ("--log-verbose=1",)
WARMED = Case(
    name="warmed",
    rule="warm-up requests are executed before the model is ready",
    loads=True,
    config=LINEAR
    + 'model_warmup [{ name: "random" batch_size: 2 count: 3\n'
    + ' inputs { key: "x" value { data_type: TYPE_FP32 dims: [4] random_data: true } } }]\n',
)
EXTRA = (
    "complete_rows",
    "complete_scalar",
    "decoupled",
    "dims_reshape",
    "outputs_twice",
    "labels_fewer",
    "mixed_batch",
    "optional_initializer",
    "outputs_subset",
    "parameter_memory_enable_memory_arena_shrinkage_cpu",
    "parameter_memory_enable_memory_arena_shrinkage_nonsense",
    "ragged_flat",
    "sequence_state",
    "response_cache",
    "file_external_data",
    "graph_level_minus_1",
)


@pytest.fixture(scope="module")
def server(start_server, tmp_path_factory):
    repository = tmp_path_factory.mktemp("answers")
    for case in (BATCHED, PATIENT):
        write_case(case, repository)
    for name in (*TYPES, *(name for name in EXTRA if name in BY_NAME)):
        folder = write_case(BY_NAME[name], repository)
        if name == "labels_fewer":
            (folder / "labels.txt").write_text("cat\ndog\n")
    return start_server(
        ServerOptions(repository, extra_flags=("--cache-config=local,size=1048576", "--model-load-thread-count=2"))
    )


@pytest.fixture
def client(server):
    with grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
        yield client


def _input(name: str, array: np.ndarray, data_type: str) -> grpc.InferInput:
    tensor = grpc.InferInput(name, list(array.shape), data_type)
    tensor.set_data_from_numpy(array)
    return tensor


def _linear(rows: np.ndarray) -> np.ndarray:
    return rows @ np.arange(12, dtype=np.float32).reshape(4, 3)


def test_requests_that_arrive_together_run_as_one_batch(client) -> None:
    rows = np.random.default_rng(0).normal(size=(8, 1, 4)).astype(np.float32)

    def ask(row: np.ndarray) -> np.ndarray:
        return client.infer("batched", [_input("x", row, "FP32")], client_timeout=120).as_numpy("y")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, rows))
    for row, answer in zip(rows, answers, strict=True):
        np.testing.assert_allclose(answer, _linear(row), rtol=1e-5, atol=1e-5)
    statistics = client.get_inference_statistics("batched").model_stats[0]
    assert statistics.inference_count == 8
    assert statistics.execution_count < 8


def test_a_request_of_several_rows_comes_back_whole(client) -> None:
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    answer = client.infer("batched", [_input("x", rows, "FP32")], client_timeout=120).as_numpy("y")
    np.testing.assert_allclose(answer, _linear(rows))


@pytest.mark.parametrize("name", [name for name in TYPES if name not in {"type_string", "type_bf16"}])
def test_every_numeric_type_goes_through_unchanged(name: str, client) -> None:
    kserve = name.removeprefix("type_").upper()
    dtype = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"}.get(kserve, kserve.lower())
    values = np.array([[0, 1, 1, 0], [1, 0, 127, 100]]).astype(dtype)
    if values.dtype.kind == "i":
        values[0, 0] = np.iinfo(values.dtype).min
    answer = client.infer(name, [_input("x", values, kserve)], client_timeout=120).as_numpy("y")
    assert answer.dtype == values.dtype
    np.testing.assert_array_equal(answer, values)


def test_bf16_goes_through_unchanged(client) -> None:
    bits = np.array([[0x3F80, 0xC000, 0x0001, 0x7F80], [0, 1, 2, 3]], dtype=np.uint16)
    tensor = grpc.InferInput("x", [2, 4], "BF16")
    tensor._raw_content = bits.tobytes()
    result = client.infer("type_bf16", [tensor], client_timeout=120)
    output = result.get_response().outputs[0]
    assert (output.datatype, list(output.shape)) == ("BF16", [2, 4])
    assert result.get_response().raw_output_contents[0] == bits.tobytes()


def test_strings_that_are_not_text_are_refused(client) -> None:
    words = np.array([[b"\xff\xfe", b"a", b"b", b"c"]], dtype=np.object_)
    with pytest.raises(InferenceServerException, match="utf-8"):
        client.infer("type_string", [_input("x", words, "BYTES")], client_timeout=120)


def test_strings_are_cut_at_the_first_nul_byte(client) -> None:
    words = np.array([["plain", "", "Grüße", "tail\0gone"]], dtype=np.object_)
    answer = client.infer("type_string", [_input("x", words, "BYTES")], client_timeout=120).as_numpy("y")
    assert answer.tolist() == [[b"plain", b"", "Grüße".encode(), b"tail"]]


def test_batch_only_and_scalar_tensors_have_dims_one(client) -> None:
    rows = np.array([[1], [2], [3]], dtype=np.float32)
    assert client.infer("complete_rows", [_input("x", rows, "FP32")]).as_numpy("y").tolist() == rows.tolist()
    one = np.array([7], dtype=np.float32)
    assert client.infer("complete_scalar", [_input("x", one, "FP32")]).as_numpy("y").tolist() == [7]


def test_reshape_is_undone_for_the_model(client) -> None:
    rows = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    answer = client.infer("dims_reshape", [_input("x", rows, "FP32")]).as_numpy("y")
    np.testing.assert_allclose(answer, _linear(rows.reshape(2, 4)))


def test_an_optional_input_may_be_left_out(client) -> None:
    x = np.zeros(4, dtype=np.float32)
    bias = np.full(4, 5, dtype=np.float32)
    name = "optional_initializer"
    assert client.infer(name, [_input("x", x, "FP32")]).as_numpy("y").tolist() == [1] * 4
    both = [_input("x", x, "FP32"), _input("bias", bias, "FP32")]
    assert client.infer(name, both).as_numpy("y").tolist() == [5] * 4


def test_an_unconfigured_output_cannot_be_asked_for(client) -> None:
    rows = np.ones((1, 4), dtype=np.float32)
    inputs = [_input("a", rows, "FP32"), _input("b", rows, "FP32")]
    assert client.infer("outputs_subset", inputs).as_numpy("difference").tolist() == [[0] * 4]
    with pytest.raises(InferenceServerException, match="unexpected inference output 'total'"):
        client.infer("outputs_subset", inputs, outputs=[grpc.InferRequestedOutput("total")])


def test_a_decoupled_model_answers_each_request_once(client) -> None:
    answers: queue.Queue = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    rows = np.ones((1, 4), dtype=np.float32)
    for _ in range(3):
        client.async_stream_infer("decoupled", [_input("x", rows, "FP32")])
    for _ in range(3):
        result, error = answers.get(timeout=120)
        assert error is None
        np.testing.assert_allclose(result.as_numpy("y"), _linear(rows))
    client.stop_stream()
    assert answers.empty()


def test_an_output_configured_twice_comes_once(client) -> None:
    result = client.infer("outputs_twice", [_input("x", np.ones((1, 4), dtype=np.float32), "FP32")])
    assert [output.name for output in result.get_response().outputs] == ["y"]


def test_ragged_requests_are_laid_end_to_end(client) -> None:
    sizes = (2, 5, 3)

    def ask(size: int) -> list:
        x = np.full((1, size), size, dtype=np.float32)
        return client.infer("ragged_flat", [_input("x", x, "FP32")], client_timeout=120).as_numpy("y").tolist()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(ask, sizes)) == [[[size]] for size in sizes]


def test_the_classification_extension_gives_labels(client) -> None:
    rows = np.array([[0, 0, 0, 1]], dtype=np.float32)
    outputs = [grpc.InferRequestedOutput("y", class_count=3)]
    answer = client.infer("labels_fewer", [_input("x", rows, "FP32")], outputs=outputs).as_numpy("y")
    assert [entry.decode() for entry in answer[0]] == ["11.000000:2", "10.000000:1:dog", "9.000000:0:cat"]


def test_a_bad_run_option_fails_the_request_not_the_load(client) -> None:
    rows = np.ones((1, 4), dtype=np.float32)
    good = "parameter_memory_enable_memory_arena_shrinkage_cpu"
    np.testing.assert_allclose(client.infer(good, [_input("x", rows, "FP32")]).as_numpy("y"), _linear(rows))
    with pytest.raises(InferenceServerException, match=r"memory_arena_shrinkage|[Ii]nvalid|device"):
        client.infer(f"{good.removesuffix('cpu')}nonsense", [_input("x", rows, "FP32")])


def test_the_response_cache_answers_a_repeated_request(client) -> None:
    rows = np.array([[3, 1, 4, 1]], dtype=np.float32)
    first, second = (client.infer("response_cache", [_input("x", rows, "FP32")]).as_numpy("y") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    # The server counts an execution after its answer has gone out.
    deadline = time.monotonic() + 60
    while True:
        statistics = client.get_inference_statistics("response_cache").model_stats[0]
        if statistics.execution_count or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert statistics.inference_stats.cache_hit.count == 1
    assert statistics.execution_count == 1


def test_sequences_keep_their_state_apart(client) -> None:
    def step(sequence: int, value: float, *, start: bool = False, end: bool = False) -> float:
        x = np.array([[value]], dtype=np.float32)
        answer = client.infer(
            "sequence_state",
            [_input("x", x, "FP32")],
            sequence_id=sequence,
            sequence_start=start,
            sequence_end=end,
            client_timeout=120,
        )
        return float(answer.as_numpy("y")[0, 0])

    assert [step(1, 1, start=True), step(2, 10, start=True)] == [1, 10]
    assert [step(1, 2), step(2, 20), step(1, 3, end=True), step(2, 30, end=True)] == [3, 30, 6, 60]
    assert step(1, 5, start=True) == 5, "a new sequence of the same number starts afresh"


def test_what_is_cancelled_in_the_queue_is_not_executed(server, client) -> None:
    rows = np.ones((8, 4), dtype=np.float32)
    outcomes: queue.Queue = queue.Queue()
    call = client.async_infer(
        "patient", [_input("x", rows[:1], "FP32")], lambda *, result, error: outcomes.put((result, error))
    )
    eventually(lambda: waiting(server, "patient") == 1)
    call.cancel()
    _, error = outcomes.get(timeout=120)
    assert "CANCELLED" in error.status()
    # A whole batch, which is executed at once; the cancelled row would make it too large and be executed by itself.
    np.testing.assert_allclose(client.infer("patient", [_input("x", rows, "FP32")]).as_numpy("y"), _linear(rows))
    assert executions(server, "patient") == 1
    assert client.get_inference_statistics("patient").model_stats[0].inference_count == 8
    assert waiting(server, "patient") == 0


def test_warm_up_requests_are_executed_before_the_model_is_ready(start_for_test, tmp_path) -> None:
    write_case(WARMED, tmp_path)
    messages = [record.message for record in start_for_test(ServerOptions(tmp_path, extra_flags=VERBOSE)).records()]
    loaded = next(n for n, text in enumerate(messages) if "successfully loaded 'warmed'" in text)
    ran = [text for text in messages[:loaded] if "is running warmup sample 'random'" in text]
    answered = [text for text in messages[:loaded] if "add response output: output: y" in text]
    # A batch of two is two requests.
    assert (len(ran), len(answered)) == (3, 6)


def test_a_wrong_request_is_refused_and_the_next_answered(client) -> None:
    wide = np.ones((1, 5), dtype=np.float32)
    with pytest.raises(InferenceServerException, match="unexpected shape"):
        client.infer("batched", [_input("x", wide, "FP32")])
    test_a_request_of_several_rows_comes_back_whole(client)
