"""A regression through the served path, asked over both protocols, held against ridge regression."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builder.build import build
from tritonkit.commands.front_door import main
from tritonkit.evaluation.datasets.diabetes import diabetes
from tritonkit.evaluation.metrics.regression import mean_squared_error
from tritonkit.evaluation.significance import percentile_interval, resample
from tritonkit.repository.digests import file_digest
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.evaluation import EvaluationReport
from tritonkit.spec.training import TrainingReport

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "tabular_regression"
RECIPE = str(EXAMPLE / "recipe.yaml")

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("tabular"), pytest.mark.timeout(600)]

PICTURES = """
import numpy as np
from tritonkit.evaluation.datasets.dataset import DataSet, Split

def pictures():
    squares = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    numbers = np.arange(4) % 2
    return DataSet(name="squares", training=Split(samples=squares[:2], targets=numbers[:2]),
                   test=Split(samples=squares[2:], targets=numbers[2:]), classes=("even", "odd"))

def classes():
    rows = np.arange(4 * 10, dtype=np.float32).reshape(4, 10)
    numbers = np.arange(4) % 2
    return DataSet(name="rows", training=Split(samples=rows[:2], targets=numbers[:2]),
                   test=Split(samples=rows[2:], targets=numbers[2:]), classes=("even", "odd"))
"""


def test_what_is_shipped_belongs_together():
    training = TrainingReport.model_validate_json((EXAMPLE / "training.json").read_text())
    assert training.recipe_sha256 == file_digest(EXAMPLE / "recipe.yaml"), "train again, or put the recipe back"
    assert training.weights_sha256 == file_digest(EXAMPLE / "weights.safetensors")


@pytest.fixture(scope="module")
def candidate(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITONKIT_CACHE", str(session_cache))
        out = tmp_path_factory.mktemp("tabular") / "tabular_regression"
        build(EXAMPLE, out)
        return out


def test_the_served_network_equals_ridge_regression_within_what_so_few_patients_tell(
    candidate, tmp_path, monkeypatch, capsys
):
    (tmp_path / "small_sets.py").write_text(PICTURES)
    monkeypatch.chdir(tmp_path)
    with TritonServer(ServerOptions(candidate / "repository", models=("tabular_regression",))) as server:
        for url in (server.grpc_url, server.http_url):
            ask = ["evaluate", url, "tabular_regression", "--data"]
            assert main([*ask, RECIPE, "--out", url[:4], "--require", "mse<3900,r2>0.3"]) == 0, url
        assert main([*ask, "small_sets:pictures"]) == 2
        assert "pictures of shape (3, 3); expected measurements: FP32 of shape (10,)" in capsys.readouterr().err
        assert main([*ask, "small_sets:classes"]) == 2
        assert "no output has the data set's shape" in capsys.readouterr().err
        assert main([*ask, RECIPE, "--require", "accuracy>0.9"]) == 2
        assert "no bound on a regression's figures" in capsys.readouterr().err
        assert main(["evaluate", server.grpc_url, "--data", RECIPE]) == 2
        assert main(["evaluate", server.grpc_url, "nobody", "--data", RECIPE]) == 2
    reports = [
        EvaluationReport.model_validate_json(Path(name, "evaluation.json").read_text()) for name in ("grpc", "http")
    ]
    assert [report.protocol for report in reports] == ["grpc", "http"]
    assert reports[0].figures == reports[1].figures
    figures = reports[0].figures
    assert figures.mae.low < figures.mae.value < figures.mae.high
    assert "Mean squared error" in Path("grpc", "evaluation.html").read_text()

    (truth, served), linear = np.array(figures.pairs).T, ridge()
    low, high = percentile_interval(
        resample(
            np.ones(len(truth), np.int64),
            lambda weights: mean_squared_error(truth, served, weights) - mean_squared_error(truth, linear, weights),
        )
    )
    print(f"mean squared error, served network less ridge regression: {low:.0f} to {high:.0f}")
    assert low < 0 < high


def ridge() -> np.ndarray:
    """Ridge regression's answers to the test split, its penalty chosen by cross-validation."""
    data = diabetes()
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 50)))
    answer: np.ndarray = model.fit(data.training.samples, data.training.targets.ravel()).predict(data.test.samples)
    return answer
