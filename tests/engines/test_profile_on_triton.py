"""A real Triton takes the backend that `choose_backend` says, and what the node's profile names."""

import hashlib
import json
import urllib.request

import pytest

from builder.engines.backend_choice import choose_backend
from builder.engines.engine_cache import CachedEngine
from builder.engines.node_repository import ReadyModel, lay_repository
from builder.engines.profile_configs import CONFIGS, accelerator_config
from builder.engines.repository_models import find_onnx_models
from tests.engines.small_graphs import conv
from tests.engines.test_node_command import CONFIG
from tests.unit.engines.engine_keys import record
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.errors import KitError

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    """A repository with an ONNX model and a profile for a GPU that is not here; nothing loads the plan's bytes."""
    folder = tmp_path_factory.mktemp("laid")
    published, served = folder / "published", folder / "served"
    (published / "toy" / "1").mkdir(parents=True)
    (published / "toy" / "config.pbtxt").write_text(CONFIG.format(batch=8))
    conv(published / "toy" / "1" / "model.onnx")
    plan = folder / "model.plan"
    plan.write_bytes(b"no engine")
    engine = CachedEngine(file=plan, record=record(sha256=hashlib.sha256(b"no engine").hexdigest()), cached=True)
    (model,) = find_onnx_models(published)
    lay_repository(published, served, [ReadyModel(model=model, engines=(engine,))], "sm86")
    text = accelerator_config(model.config, "fp32", {}, cache_folder="/cache", where="toy")
    (served / "toy" / CONFIGS / "accelerated.pbtxt").write_text(text)
    return served


def loaded_config(server: TritonServer):
    with urllib.request.urlopen(f"{server.http_url}/v2/models/toy/config", timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("profile", [None, "sm89"])
def test_without_a_profile_of_that_name_the_onnx_file_is_served(laid, profile):
    flags = () if profile is None else (f"--model-config-name={profile}",)
    choice = choose_backend(laid / "toy", 1, profile, None)
    assert (choice.backend, choice.problem) == ("onnxruntime", None)
    with TritonServer(ServerOptions(laid, ("toy",), extra_flags=flags)) as server:
        config = loaded_config(server)
    assert (config["backend"], config["default_model_filename"]) == (choice.backend, choice.file)


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        # The local server has no tensorrt backend; that it looks for it is the profile's doing.
        ("sm86", "tensorrt"),
        # The profile is read whole, accelerator and all; then there is no GPU to place it on.
        ("accelerated", "KIND_GPU"),
    ],
)
def test_the_profile_decides(laid, profile, says):
    options = ServerOptions(laid, ("toy",), extra_flags=(f"--model-config-name={profile}",))
    with pytest.raises(KitError, match=says), TritonServer(options):
        pass
