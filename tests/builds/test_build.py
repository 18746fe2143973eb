"""A whole build on the toy: what it leaves, what it does not do twice, and which silent faults its gate catches.

The real weights are built by the demo; here the way through is the same and the network small.
"""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from builder.build import build
from builder.golden import read_golden
from builder.plan import capture_request
from builder.prove import ask_server, parity_report
from clients import Client, ClientError
from tests.toy_classifier import write_toy
from tritonkit.repository.config import read_config, write_config
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.errors import GateError

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("toy build"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITONKIT_CACHE", str(session_cache))
        folder = write_toy(tmp_path_factory.mktemp("toy"))
        out = tmp_path_factory.mktemp("built") / "toy"
        return folder, out, build(folder, out)


def _replay(repository):
    """What the gate says of `repository`, and, with no part of the gate, what it answers to the golden pictures."""
    golden = read_golden(repository / "toy" / "1" / "golden")
    models = tuple(sorted(folder.name for folder in repository.iterdir()))
    with TritonServer(ServerOptions(repository, models=models, auto_complete=False)) as server:
        found = [*ask_server(golden, server.grpc_url, "grpc"), *ask_server(golden, server.http_url, "http")]
        with Client(server.grpc_url) as client:
            pictures = [[picture] for _, picture in sorted(golden.files.items())]
            answers = [client.infer("toy", {"image": pictures[i : i + 4]}) for i in range(0, len(pictures), 4)]
    return parity_report(golden, found, asked="test", server="test"), answers


@pytest.fixture(scope="module")
def clean(built):
    _, out, _ = built
    return _replay(out / "repository")


def _same(some, others):
    return all(np.array_equal(one[name], other[name]) for one, other in zip(some, others, strict=True) for name in one)


def test_a_build_leaves_a_whole_candidate(built):
    folder, out, report = built
    manifest = json.loads((out / "repository" / "toy" / "1" / "manifest.json").read_text())
    assert [part["role"] for part in manifest["parts"]] == ["preprocess", "model", "postprocess"]
    assert manifest["parts"][0]["python_packages"].keys() == {"numpy", "pillow"}
    assert manifest["weights_sha256"] == report.weights_sha256
    served = report.variants[0].served
    assert served.passed
    levels = {(c.level, c.protocol, c.batch) for c in served.comparisons}
    assert levels == {
        (level, protocol, batch)
        for level in ("preprocess", "artefact", "served", "end_to_end")
        for protocol in ("grpc", "http")
        for batch in (1, 2, 4)
    }
    assert (out / "pictures" / "edge_cmyk.jpg").is_file()
    text = (out / "repository" / "toy" / "config.pbtxt").read_text()
    assert str(folder) not in text


def test_nothing_in_the_repository_knows_where_it_was_built(built):
    folder, out, _ = built
    places = [str(path).encode() for path in (folder, out, sys.prefix)]
    for file in (out / "repository").rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert not [place for place in places if place in data], file


def test_an_unchanged_build_runs_no_stage_and_imports_no_torch(built, own_cache):
    folder, out, first = built
    program = (
        "import sys; from pathlib import Path; from builder.build import build\n"
        f"report = build(Path({str(folder)!r}), Path({str(out)!r}))\n"
        "assert all(stage.cached for stage in report.stages), report.stages\n"
        "print([name for name in ('torch', 'onnxruntime', 'onnx') if name in sys.modules], report.manifest_sha256)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split(" ", 1)[0] == "[]", done.stderr
    assert done.stdout.split()[-1] == first.manifest_sha256


def test_a_changed_label_does_only_what_depends_on_it(built, tmp_path):
    folder, _, _ = built
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    (changed / "labels.txt").write_text("".join(f"other {i}\n" for i in range(6)))
    report = build(changed, tmp_path / "out")
    cached = {stage.name: stage.cached for stage in report.stages}
    assert cached == {"capture": True, "convert": True, "artefact": True, "assemble": False, "served": False}


def test_every_subset_of_outputs_can_be_asked_and_a_bad_picture_fails_alone(built):
    from concurrent.futures import ThreadPoolExecutor
    from itertools import combinations

    _, out, _ = built
    picture = (out / "pictures" / "noise.jpg").read_bytes()
    names = ("class_id", "score", "label", "logits")
    subsets = [subset for size in range(1, 5) for subset in combinations(names, size)]
    with TritonServer(ServerOptions(out / "repository", models=("toy",))) as server:
        for url in (server.grpc_url, server.http_url):
            with Client(url) as client:
                whole = client.infer("toy", {"image": [[picture]]})
                for subset in subsets:
                    answer = client.infer("toy", {"image": [[picture]]}, outputs=subset)
                    assert set(answer) == set(subset)
                    for name in subset:
                        np.testing.assert_array_equal(answer[name], whole[name])

                def ask(data, client=client):
                    try:
                        return client.infer("toy", {"image": [[data]]}, outputs=("label",))["label"].tolist()
                    except ClientError as error:
                        return str(error)

                with ThreadPoolExecutor(8) as pool:
                    answers = list(pool.map(ask, [picture, b"no picture"] * 12))
                good = whole["label"].tolist()
                assert answers[0::2] == [good] * 12
                assert all("no JPEG or PNG picture" in text for text in answers[1::2])


# -- silent faults, each injected into the bytes of a good staged repository -----------------------------------------


def _part(repository, role):
    parts = json.loads((repository / "toy" / "1" / "parts.json").read_text())["parts"]
    return repository / next(part["name"] for part in parts if part["role"] == role)


def _edit_parameters(repository, role, **changes):
    file = _part(repository, role) / "1" / "parameters.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _edit_step(repository, role, old, new):
    file = _part(repository, role) / "1" / "model.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def _edit_weights(repository, change):
    file = _part(repository, "model") / "1" / "model.onnx"
    model = onnx.load(file)
    change({tensor.name: tensor for tensor in model.graph.initializer}, model.graph)
    onnx.save(model, file)


def _scale_layer(tensors, _graph):
    tensor = next(t for t in tensors.values() if len(t.dims) == 4)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), tensor.name))


def _swap_rows(tensors, _graph):
    tensor = next(t for t in tensors.values() if len(t.dims) == 2)
    array = numpy_helper.to_array(tensor).copy()
    axis = array.shape.index(6)
    array = np.flip(array, axis).copy()
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _shift_bias(tensors, _graph):
    tensor = next(t for t in tensors.values() if list(t.dims) == [6])
    tensor.CopyFrom(numpy_helper.from_array(np.roll(numpy_helper.to_array(tensor), 1), tensor.name))


def _round_to_half(tensors, _graph):
    for tensor in tensors.values():
        if tensor.data_type == onnx.TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _shift_fused_constant(tensors, _graph):
    """The bias into which the export folded the batch normalisation."""
    tensor = next(t for t in tensors.values() if list(t.dims) == [8])
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.05), tensor.name))


def _transpose_output(_tensors, graph):
    """The six logits as two rows of three, read by columns: shape and data type stay."""
    last = next(node for node in graph.node if "logits" in node.output)
    last.output[list(last.output).index("logits")] = "untransposed"
    for name, sizes in (("rows", [-1, 2, 3]), ("flat", [-1, 6])):
        graph.initializer.append(numpy_helper.from_array(np.array(sizes), name))
    graph.node.extend([
        onnx.helper.make_node("Reshape", ["untransposed", "rows"], ["in_rows"]),
        onnx.helper.make_node("Transpose", ["in_rows"], ["in_columns"], perm=[0, 2, 1]),
        onnx.helper.make_node("Reshape", ["in_columns", "flat"], ["logits"]),
    ])  # fmt: skip


def _stale_weights(repository, tmp_path):
    from builder.export import export_onnx
    from builder.sources.weights import load_network
    from tritonkit.spec.model import load_model_spec

    folder = write_toy(tmp_path / "stale", seed=1)
    spec = load_model_spec(folder)
    network = load_network(spec.source, folder / "toy.pt", folder)
    model = export_onnx(network, capture_request(spec))
    onnx.save(model, _part(repository, "model") / "1" / "model.onnx")


def _cross_the_map(repository, _tmp):
    file = repository / "toy" / "config.pbtxt"
    config = read_config(file)
    steps = config.ensemble_scheduling.step
    other = _part(repository, "preprocess").name
    twin = repository / f"{other}_twin"
    shutil.copytree(repository / other, twin)
    twin_config = read_config(twin / "config.pbtxt")
    twin_config.name = twin.name
    (twin / "config.pbtxt").write_text(write_config(twin_config))
    parameters = twin / "1" / "parameters.json"
    parameters.write_text(json.dumps({**json.loads(parameters.read_text()), "interpolation": "nearest"}))
    steps[0].model_name = twin.name
    file.write_text(write_config(config))


SOFTMAX_AGAIN = "    scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)\n"

FAULTS = {
    "one layer scaled by 1 %": lambda r, _: _edit_weights(r, _scale_layer),
    "classes in reverse": lambda r, _: _edit_weights(r, _swap_rows),
    "biases shifted by one class": lambda r, _: _edit_weights(r, _shift_bias),
    "weights rounded to half precision": lambda r, _: _edit_weights(r, _round_to_half),
    "stale weights": _stale_weights,
    "a fused constant wrong": lambda r, _: _edit_weights(r, _shift_fused_constant),
    "output transposed": lambda r, _: _edit_weights(r, _transpose_output),
    "a stale step, of a version that rounded the longer side": lambda r, _: _edit_step(
        r, "preprocess", "size = (int(resize * width / height), resize)", "size = (round(resize * width / height), resize)"
    ),
    "channels swapped": lambda r, _: _edit_parameters(r, "preprocess", channel_order="BGR"),
    "wrong mean": lambda r, _: _edit_parameters(r, "preprocess", mean=[0.5, 0.4, 0.301]),
    "wrong deviation": lambda r, _: _edit_parameters(r, "preprocess", std=[0.2, 0.25, 0.3005]),
    "wrong interpolation": lambda r, _: _edit_parameters(r, "preprocess", interpolation="bicubic"),
    "another resize": lambda r, _: _edit_parameters(r, "preprocess", resize=21),
    "camera rotation applied": lambda r, _: _edit_parameters(r, "preprocess", exif_orientation="apply"),
    "transparency laid over white": lambda r, _: _edit_parameters(r, "preprocess", alpha="white"),
    "crop off by a pixel": lambda r, _: _edit_step(r, "preprocess", "(left, top,", "(left + 1, top,")
    or _edit_step(r, "preprocess", "left + crop,", "left + 1 + crop,"),
    "scaled by 256": lambda r, _: _edit_step(r, "preprocess", "np.float32(255)", "np.float32(256)"),
    "a batch's rows shuffled": lambda r, _: _edit_step(
        r, "preprocess", "zip(rows, elements, strict=True)", "zip(rows, elements[::-1], strict=True)"
    ),
    "labels shifted": lambda r, _: _shift_labels(r),
    "softmax twice": lambda r, _: _edit_step(r, "postprocess", "    likeliest =", SOFTMAX_AGAIN + "    likeliest ="),
    "the unlikeliest first": lambda r, _: _edit_step(r, "postprocess", "np.argsort(-logits", "np.argsort(logits"),
    "an ensemble that calls another step": _cross_the_map,
}  # fmt: skip


def _shift_labels(repository):
    file = _part(repository, "postprocess") / "1" / "labels.txt"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[1:] + lines[:1]) + "\n")


END_TO_END = {"class_id", "score", "label", "logits"}
# Which level must catch a fault first; of what is not named here, the preprocessing, since it comes first.
CAUGHT_BY = {
    **dict.fromkeys(
        (
            "one layer scaled by 1 %",
            "classes in reverse",
            "biases shifted by one class",
            "weights rounded to half precision",
            "stale weights",
            "a fused constant wrong",
            "output transposed",
        ),
        "artefact",
    ),
    **dict.fromkeys(
        ("labels shifted", "softmax twice", "the unlikeliest first", "an ensemble that calls another step"),
        "end_to_end",
    ),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_silent_fault_is_caught_on_the_served_path(built, clean, tmp_path, fault):
    """The model still loads and still answers; only the answers are not those of the weights."""
    _, out, _ = built
    repository = tmp_path / "repository"
    shutil.copytree(out / "repository", repository)
    FAULTS[fault](repository, tmp_path)
    report, answers = _replay(repository)
    # Two servings of one repository answer alike to the last bit (below); so this is no equivalent of it.
    assert not _same(answers, clean[1]), "the fault changes no answer"
    assert not report.passed, f"{fault} went unnoticed"
    caught = report.first_problem()
    assert caught.level == CAUGHT_BY.get(fault, "preprocess"), caught
    assert caught.worst_absolute > 0
    # The report names the check: level, output and sample, with the element and what was allowed in words.
    assert caught.output in {"preprocess": {"pixels"}, "artefact": {"logits"}}.get(caught.level, END_TO_END), caught
    assert caught.worst_sample in caught.problem


def test_a_clean_build_passes_and_answers_alike_at_every_start(built, clean):
    _, out, _ = built
    again = _replay(out / "repository")
    for report, _ in (clean, again):
        assert report.passed, report.first_problem()
    assert _same(again[1], clean[1])


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_a_clean_build_passes_twenty_times_of_twenty(built, session_cache, tmp_path, monkeypatch, attempt):
    """Each from nothing: no stage of another build is taken."""
    folder, _, first = built
    cache = tmp_path / "cache"
    cache.mkdir()
    for shared in ("server", "datasets"):
        (cache / shared).symlink_to((session_cache / shared).resolve())
    monkeypatch.setenv("TRITONKIT_CACHE", str(cache))
    report = build(folder, tmp_path / "out")
    assert not [stage.name for stage in report.stages if stage.cached]
    assert report.variants[0].served.passed
    assert report.weights_sha256 == first.weights_sha256


def test_a_build_whose_transform_disagrees_fails_and_writes_down_every_comparison(built, tmp_path):
    folder, _, _ = built
    wrong = tmp_path / "wrong"
    shutil.copytree(folder, wrong)
    text = (wrong / "network.py").read_text()
    (wrong / "network.py").write_text(text.replace("transforms.Resize(20)", "transforms.Resize(19)"))
    with pytest.raises(GateError) as caught:
        build(wrong, tmp_path / "out")
    message = str(caught.value)
    assert "pixels differs from its reference (preprocess, grpc, batch 1)" in message
    assert "nothing was published" in message
    failed = json.loads((tmp_path / "out" / "failed.json").read_text())
    assert failed["passed"] is False
    assert not (tmp_path / "out" / "repository").exists()
