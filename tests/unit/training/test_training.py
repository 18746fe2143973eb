"""Real trainings of a few steps: the loss falls, a resumed run ends where an uninterrupted one does."""

import csv
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.training import TrainingReport
from tritonkit.training.train import train

NETWORKS = """
import numpy as np
import torch
from torch import nn
from tritonkit.evaluation.datasets.dataset import DataSet, Split


def classifier(dropout=0.2):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout),
                         nn.Linear(4 * 6 * 6, 2))


def line():
    return nn.Linear(3, 1)


def generator():
    return nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))


def discriminator():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))


def bars(leak=False):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 60, (220, 8, 8), dtype=np.uint8)
    targets = random.integers(0, 2, 220)
    pictures[targets == 1, 3] = 250
    if leak:
        pictures[205] = pictures[7]
    return DataSet(name="bars", training=Split(samples=pictures[:200], targets=targets[:200]),
                   test=Split(samples=pictures[200:], targets=targets[200:]), classes=("none", "bar"))


def plane():
    random = np.random.default_rng(0)
    x = random.standard_normal((120, 3)).astype(np.float32)
    y = x @ np.array([[1.0], [-2.0], [0.5]], np.float32)
    return DataSet(name="plane", training=Split(samples=x[:100], targets=y[:100]),
                   test=Split(samples=x[100:], targets=y[100:]))
"""

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")

CLASSIFICATION = {
    "schema_version": 1,
    "name": "bars",
    "task": "classification",
    "network": {"factory": "small_networks:classifier"},
    "data": {"source": "small_networks:bars", "validation": 0.2},
    "pictures": {"resize": 8, "channels": 1, "flip": True, "crop_padding": 1, "noise": 0.02},
    "optimiser": {"kind": "sgd", "learning_rate": 0.05, "weight_decay": 0.001, "l1": 0.00001, "schedule": "one_cycle"},
    "batch_size": 20,
    "epochs": 4,
    "seed": 3,
}


def write_recipe(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small_networks.py").write_text(textwrap.dedent(NETWORKS))
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({**CLASSIFICATION, **changes}, sort_keys=False))
    return file


@pytest.mark.parametrize("kind", ["sgd", "adam", "rmsprop"])
def test_the_loss_falls_and_everything_is_written(tmp_path, kind):
    optimiser = {**CLASSIFICATION["optimiser"], "kind": kind, "learning_rate": 0.05 if kind == "sgd" else 0.005}
    lines = []
    report = train(write_recipe(tmp_path, optimiser=optimiser), tmp_path / "out", watch=lines.append)
    assert report.epochs[-1].training_loss < 0.7 * report.epochs[0].training_loss
    assert len(lines) == len(report.epochs) == 4
    assert TrainingReport.model_validate_json((tmp_path / "out" / "training.json").read_text()) == report
    rows = list(csv.DictReader((tmp_path / "out" / "log.csv").read_text().splitlines()))
    assert [int(row["steps"]) for row in rows] == [8, 16, 24, 32]
    best = min(report.epochs, key=lambda epoch: epoch.validation_loss)
    assert report.best_epoch == best.epoch
    assert report.data.training == 160
    assert report.data.validation == 40


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    recipe = write_recipe(tmp_path)
    whole = train(recipe, tmp_path / "whole")

    class Interrupted(Exception):  # noqa: N818 - not an error of the kit
        pass

    def cut(line: str) -> None:
        if line.startswith("epoch 3"):
            raise Interrupted

    with pytest.raises(Interrupted):
        train(recipe, tmp_path / "parts", watch=cut)
    with pytest.raises(InputError, match="holds another training"):
        train(recipe, tmp_path / "parts")
    resumed = train(recipe, tmp_path / "parts", resume=True)
    assert [epoch.training_loss for epoch in resumed.epochs] == [epoch.training_loss for epoch in whole.epochs]
    assert resumed.weights_sha256 == whole.weights_sha256


def test_a_test_picture_in_the_training_split_is_refused(tmp_path):
    recipe = write_recipe(tmp_path, data={"source": "small_networks:bars", "arguments": {"leak": True}})
    with pytest.raises(GateError, match="test sample 5 is training sample 7"):
        train(recipe, tmp_path / "out")
    assert not (tmp_path / "out" / "weights.safetensors").exists()


def test_regression_finds_a_plane_and_rounds_its_weights(tmp_path):
    recipe = write_recipe(
        tmp_path,
        task="regression",
        network={"factory": "small_networks:line"},
        data={"source": "small_networks:plane", "validation": 0.1},
        pictures=None,
        optimiser={"kind": "adam", "learning_rate": 0.2, "schedule": "cosine"},
        epochs=30,
        batch_size=10,
        weights={"precision": "fp16"},
    )
    train(recipe, tmp_path / "out")
    state = load_file(tmp_path / "out" / "weights.safetensors")
    assert state["weight"].dtype == torch.float16
    assert state["bias"].dtype == torch.float32
    np.testing.assert_allclose(state["weight"].float(), [[1, -2, 0.5]], atol=0.02)


def test_training_stops_early(tmp_path):
    optimiser = {"kind": "sgd", "learning_rate": 1e-12}
    report = train(write_recipe(tmp_path, optimiser=optimiser, epochs=9, early_stop=1), tmp_path / "out")
    assert len(report.epochs) < 9


def test_an_adversarial_task_trains_both_networks(tmp_path):
    recipe = write_recipe(
        tmp_path,
        task="adversarial",
        network={"factory": "small_networks:generator"},
        discriminator={"factory": "small_networks:discriminator"},
        noise_size=8,
        data={"source": "small_networks:bars", "validation": 0},
        optimiser={"kind": "adam", "learning_rate": 0.01, "momentum": 0.5},
    )
    report = train(recipe, tmp_path / "out")
    assert report.epochs[-1].discriminator_loss < report.epochs[0].discriminator_loss
    assert set(load_file(tmp_path / "out" / "weights.safetensors")) == {"0.weight", "0.bias"}


def test_two_processes_of_torchrun_train_together(tmp_path):
    recipe = write_recipe(tmp_path, epochs=2)
    done = subprocess.run(
        [*TORCHRUN, "-m", "tritonkit", "train", str(recipe), "--out", str(tmp_path / "out")],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = TrainingReport.model_validate_json((tmp_path / "out" / "training.json").read_text())
    assert report.processes == 2
    assert report.epochs[-1].training_loss < report.epochs[0].training_loss
