"""The generator, served: PNG files, the same for the same seed, and a sheet of them in the report."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builder.build import build
from clients import Client, ClientError
from tritonkit.commands.front_door import main
from tritonkit.repository.digests import file_digest
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.training import TrainingReport

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "gan_generator"

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("gan"), pytest.mark.timeout(900)]


def _pixels(data):
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (28, 28), "L")
        return np.asarray(picture).astype(int)


def test_what_is_shipped_belongs_together():
    training = TrainingReport.model_validate_json((EXAMPLE / "training.json").read_text())
    assert training.recipe_sha256 == file_digest(EXAMPLE / "recipe.yaml"), "train again, or put the recipe back"
    assert training.weights_sha256 == file_digest(EXAMPLE / "weights.safetensors")


def test_a_seed_brings_its_picture(tmp_path):
    out = tmp_path / "gan_generator"
    report = build(EXAMPLE, out)
    pictures = [c for c in report.variants[0].served.comparisons if c.output == "png"]
    assert len(pictures) == 6, "three batch sizes over two protocols"
    assert all(c.passed and c.samples == 48 and c.worst_absolute <= 1 for c in pictures)

    with (
        TritonServer(ServerOptions(out / "repository", models=("gan_generator",))) as server,
        Client(server.grpc_url, timeout=120) as client,
    ):

        def ask(*seeds):
            seed = np.array(seeds, np.int64)[:, None]
            return list(client.infer("gan_generator", {"seed": seed}, outputs=("png",))["png"][:, 0])

        (first,), (again,) = ask(7), ask(7)
        together = ask(3, 7, 2**32 - 1)
        with pytest.raises(ClientError, match="between 0 and"):
            ask(-1)
    assert first == again
    assert np.abs(_pixels(together[1]) - _pixels(first)).max() <= 1
    assert np.abs(_pixels(together[0]) - _pixels(first)).max() > 50

    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text()
    assert page.count('<img src="data:image/jpeg;base64') == 48
    assert 'alt="request 47 png"' in page
