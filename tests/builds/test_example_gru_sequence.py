"""The example `gru_sequence`: a stateful network, served step by step, against PyTorch's run over whole signals."""

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from builder.build import build
from clients import Client, InvalidRequestError
from tritonkit.repository.candidates import check_candidate
from tritonkit.repository.config import read_config, write_config
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.references import find_function
from tritonkit.training.train import train

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gru_sequence"), pytest.mark.timeout(600)]

FOLDER = Path(__file__).parents[2] / "examples" / "gru_sequence"
NAME = "gru_sequence"
SEQUENCES, STEPS = 100, 8


@pytest.fixture(scope="module")
def built(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITONKIT_CACHE", str(session_cache))
        out = tmp_path_factory.mktemp("gru") / "out"
        return build(FOLDER, out), out / "repository"


def _whole(values):
    """What the trained weights answer, by PyTorch, to the whole of each signal."""
    network = find_function("network:forecaster", FOLDER, "network")()
    network.load_state_dict(load_file(FOLDER / "forecaster.safetensors"))
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(values)).numpy()


def _signals(count, steps, seed):
    return find_function("signals:signals", FOLDER, "signals")(count, steps, seed=seed)


def test_every_level_is_proven_in_sequences_over_both_protocols(built):
    report, repository = built
    served = report.variants[0].served
    assert served.passed
    assert {(one.level, one.protocol, one.output) for one in served.comparisons} == {
        (level, protocol, "forecast") for level in ("artefact", "served", "end_to_end") for protocol in ("grpc", "http")
    }
    assert {one.samples for one in served.comparisons} == {6}
    # In process the step itself, its memory included, and then whole signals.
    assert {one.output for one in report.variants[0].artefact.comparisons} == {"forecast", "memory_out"}
    assert check_candidate(repository).manifest.name == NAME


def test_the_real_requests_are_the_signals_that_the_spec_names():
    stored = np.load(FOLDER / "requests.npz")["value"]
    np.testing.assert_allclose(stored, _signals(6, 40, seed=3), rtol=1e-4)


def test_a_hundred_interleaved_sequences_are_each_answered_as_in_pytorch(built):
    _, repository = built
    values = _signals(SEQUENCES, STEPS, seed=11)
    want = _whole(values)
    answers = np.full_like(want, np.nan)
    shuffle = random.Random(0)
    with (
        TritonServer(ServerOptions(repository, models=(NAME,))) as server,
        Client(server.grpc_url, timeout=120) as grpc,
        Client(server.http_url, timeout=120) as http,
        ExitStack() as stack,
        ThreadPoolExecutor(16) as pool,
    ):
        clients = [grpc if index % 2 else http for index in range(SEQUENCES)]
        live = [stack.enter_context(client.sequence(NAME)) for client in clients]

        def step(index: int, step: int) -> None:
            answer = live[index].infer({"value": values[index, step][None]}, last=step == STEPS - 1)
            answers[index, step] = answer["forecast"][0]

        # Every sequence takes its next step before any takes the one after: all hundred are alive at once.
        for now in range(STEPS):
            order = list(range(SEQUENCES))
            shuffle.shuffle(order)
            list(pool.map(lambda index, now=now: step(index, now), order))
        (part,) = [one for one in grpc.statistics() if one.model.startswith(f"{NAME}_fp32_")]
    np.testing.assert_allclose(answers, want, atol=1e-5)
    # The answers tell the sequences apart, and their steps did share batches.
    last = np.sort(want[:, -1, 0])
    assert np.median(np.diff(last)) > 1e-4
    assert part.executions < SEQUENCES * STEPS


def test_a_sequence_whose_client_vanished_is_let_go(built, tmp_path):
    _, repository = built
    copy = tmp_path / "repository"
    shutil.copytree(repository, copy)
    (part,) = copy.glob(f"{NAME}_fp32_*")
    config = read_config(part / "config.pbtxt")
    config.sequence_batching.max_sequence_idle_microseconds = 200_000
    # One place: as long as it is taken, nobody else is answered.
    config.sequence_batching.oldest.max_candidate_sequences = 1
    (part / "config.pbtxt").write_text(write_config(config))
    values = _signals(2, 2, seed=5)
    with TritonServer(ServerOptions(copy, models=(NAME,))) as server, Client(server.grpc_url, timeout=120) as client:
        vanished = client.sequence(NAME)
        vanished.infer({"value": values[0, 0][None]})
        with client.sequence(NAME) as next_one:
            answer = next_one.infer({"value": values[1, 0][None]}, last=True)
        np.testing.assert_allclose(answer["forecast"][0], _whole(values)[1, 0], atol=1e-5)
        with pytest.raises(InvalidRequestError, match="START flag"):
            vanished.infer({"value": values[0, 1][None]})


def test_the_recipe_trains(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    recipe = yaml.safe_load((FOLDER / "recipe.yaml").read_text())
    recipe["data"]["arguments"] = {"training": 60, "test": 4}
    recipe["epochs"] = 4
    (tmp_path / "copy" / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    report = train(tmp_path / "copy" / "recipe.yaml", tmp_path / "out")
    assert report.epochs[-1].training_loss < report.epochs[0].training_loss
    assert (
        load_file(tmp_path / "out" / "weights.safetensors").keys()
        == load_file(FOLDER / "forecaster.safetensors").keys()
    )
