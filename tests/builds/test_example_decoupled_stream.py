"""The example `decoupled_stream`: every answer of every stream, in order, is the user's own function's."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from builder.build import build
from clients import Client, InvalidRequestError, ModelError
from tritonkit.commands.front_door import main
from tritonkit.repository.candidates import check_candidate
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.parity import ParityReport
from tritonkit.spec.references import find_function

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("decoupled_stream"), pytest.mark.timeout(600)]

FOLDER = Path(__file__).parents[2] / "examples" / "decoupled_stream"
NAME = "decoupled_stream"
VALUES = np.array([3.5, 4.0, 4.75, 2.5, 9.0], np.float32)


@pytest.fixture(scope="module")
def built(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITONKIT_CACHE", str(session_cache))
        out = tmp_path_factory.mktemp("stream") / "out"
        return build(FOLDER, out), out / "repository"


@pytest.fixture(scope="module")
def server(built):
    # A client that leaves early, as one does here, may leave 2.51 a model that it cannot unload: then it exits late.
    with TritonServer(ServerOptions(built[1], models=(NAME,), exit_timeout_seconds=5)) as server:
        yield server


def _request(resamples, seed=0):
    return {
        "values": VALUES,
        "resamples": np.array([resamples], np.int32),
        "seed": np.array([seed], np.int64),
    }


def _own(request):
    function = find_function("bootstrap:stream", FOLDER, "stream")
    return [{name: np.float32(value[0]) for name, value in answer.items()} for answer in function(request)]


def test_streams_are_proven_over_grpc_and_the_proof_says_that_http_has_none(built):
    report, repository = built
    served = report.variants[0].served
    assert served.passed
    assert served.not_offered == {"http": "not offered by Triton for decoupled models"}
    assert {(one.level, one.protocol) for one in served.comparisons} == {
        (level, "grpc") for level in ("artefact", "served", "end_to_end")
    }
    assert sum(one.samples for one in served.comparisons if (one.level, one.output) == ("end_to_end", "low")) == 5
    check_candidate(repository)


def test_a_proof_that_leaves_http_out_binds_no_other_model(built):
    proof = json.loads((built[1] / NAME / "1" / "parity.json").read_text())
    assert ParityReport.model_validate(proof).not_offered
    golden = json.loads((built[1] / NAME / "1" / "golden" / "golden.json").read_text())
    assert {question["way"] for question in golden["questions"]} == {"stream"}


def test_streams_side_by_side_hold_all_answers_in_order(server):
    requests = [_request(1000 + 250 * (seed % 3), seed) for seed in range(12)]
    with Client(server.grpc_url, timeout=120) as client, ThreadPoolExecutor(6) as pool:
        streams = list(pool.map(lambda request: list(client.stream(NAME, request, timeout=120)), requests))
    for request, answers in zip(requests, streams, strict=True):
        want = _own(request)
        assert [int(answer["drawn"][0]) for answer in answers] == [int(one["drawn"]) for one in want]
        for name in ("low", "high"):
            np.testing.assert_allclose([answer[name][0] for answer in answers], [one[name] for one in want], rtol=1e-6)


def test_what_the_function_raises_reaches_the_client_and_one_that_leaves_harms_nobody(server):
    with Client(server.grpc_url, timeout=120) as client:
        with pytest.raises(ModelError, match="5 values and 0 resamples have no interval"):
            list(client.stream(NAME, _request(0)))
        with closing(client.stream(NAME, _request(2000), timeout=120)) as left:
            assert next(left)["drawn"][0] == 250
        # Both processes are kept busy by streams that would take hours; they are free again once their clients left.
        with closing(client.stream(NAME, _request(10**9), timeout=120)) as endless:
            next(endless)
            with closing(client.stream(NAME, _request(10**9), timeout=120)) as other:
                next(other)
        assert len(list(client.stream(NAME, _request(500), timeout=120))) == 2
    with Client(server.http_url) as http, pytest.raises(InvalidRequestError, match="stream"):
        http.infer(NAME, _request(500))


def test_the_bundle_is_replayed_by_the_command_over_grpc_and_refused_over_http_alone(built, server, capsys):
    arguments = ["--model", NAME, "--repository", str(built[1])]
    assert main(["parity", server.http_url, server.grpc_url, *arguments]) == 0
    printed = capsys.readouterr().out
    assert "all equal" in printed
    assert "http: not offered by Triton for decoupled models" in printed
    assert main(["parity", server.http_url, *arguments]) == 2
    assert "expected a grpc:// URL" in capsys.readouterr().err
