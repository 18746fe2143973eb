"""Small candidates, made in a blink and without torch, by the builder's own functions.

A candidate carries a mark that shows in every output of its ensemble and in every one of its parts, so that an answer
which two versions had a hand in is seen at once. Its proof is a replay of its golden bundle, as every candidate's is;
what answers it here is `answers`, a page of numpy, in the place of a server. `tests/server/publication` holds that page
against a real Triton, and publication's own trial would find it out too.
"""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from builder.answers.served import replay
from builder.arrays import save_arrays
from builder.assemble import assemble
from builder.candidate import write_candidate
from builder.golden import read_golden
from builder.prove import parity_report
from builder.reference import Reference, Rows, write_reference
from builder.stage import Finished
from builder.stages import CaptureResult, ServedResult, SpecRequest
from tritonkit.evaluation.kinds.classification import reference_top_classes
from tritonkit.repository.candidates import read_candidate
from tritonkit.repository.digests import file_digest
from tritonkit.spec.model import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "marked"
CLASSES = 4
SIDE = 8
SCALE = 1024
"""A mark of 1 is 1/1024 in a pixel or a logit: exact in float32, and small enough for a softmax."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The marks that an answer carries; of one version they are all the same.

    Attributes:
        preprocess: what the pixels say.
        model: what the weights say.
        postprocess: what the class names say.
    """

    preprocess: int
    model: int
    postprocess: int


def marks_of(answer: Mapping[str, np.ndarray]) -> Marks:
    """The marks in the ensemble's answer to `picture`; outputs with one row."""
    label = answer["label"].reshape(-1)[0]
    text = label.decode() if isinstance(label, bytes) else str(label)
    logits = np.asarray(answer["logits"]).reshape(-1)
    return Marks(
        preprocess=round(-float(logits[0]) * SCALE),
        model=round(float(logits[1]) * SCALE),
        postprocess=int(text.split()[1]),
    )


def picture(shade: int = 0) -> bytes:
    """A black square, or a grey one, as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE, 3), shade, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def make_candidate(
    folder: Path, mark: int, *, name: str = NAME, served: bytes | None = None, shared: bool = False
) -> Path:
    """Makes the candidate with this mark in `folder`, and returns its repository.

    Args:
        folder: where to; what was there is replaced.
        mark: a whole number from 1 to 20,000.
        name: the served name.
        served: a network in the place of the honest one: the proof is about the honest one all the same.
        shared: whether only the network's part carries the mark, so that versions share the other two.
    """
    spec = _spec(name, 1 if shared else mark)
    with tempfile.TemporaryDirectory() as work:
        inputs = _write_inputs(Path(work), spec, mark, 1 if shared else mark, served)
        out = Path(work) / "assembled"
        out.mkdir()
        assembled = assemble(SpecRequest(spec=spec, variant=spec.variants[0]), inputs, out)
        golden = read_golden(out / "golden")
        labels = inputs["file/postprocess/labels.txt"].read_text().splitlines()

        def ask(model: str, tensors: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> dict[str, np.ndarray]:
            return answers(spec, mark, labels, model, tensors)

        comparisons = [c for protocol in ("grpc", "http") for c in replay(golden, ask, protocol)]
        report = parity_report(golden, comparisons, asked="numpy, in a test", server="none")
        assert report.passed, report.first_problem()
        write_candidate(
            folder,
            spec=spec,
            spec_file=inputs["spec"],
            weights_sha256="0" * 64,
            captured=Finished(
                name="capture",
                out=inputs["captured"],
                result=CaptureResult(parameters=1, opset=17, ir_version=8, rows=2, requests=1),
                folder=Path(work) / "captured",
                seconds=0.0,
                cached=False,
            ),
            assembled=Finished(name="assemble", result=assembled, out=out, folder=out, seconds=0.0, cached=False),
            served=ServedResult(
                parity=report,
                packages={"numpy": "1.26.4", "pillow": "13.0.0"},
                load_seconds=0.0,
                proven_at="2026-01-01T00:00:00+00:00",
            ),
            variants=(),
            runs=(),
        )
    return folder / "repository"


def network(mark: float, *, classes: int = CLASSES, rows: int = 0) -> bytes:
    """Image [N, 3, 8, 8] -> logits [N, classes]: the first pixel, the mark, and numbers below both.

    With `rows` the answer has that many, whatever was asked.
    """
    weights = np.zeros((3 * SIDE * SIDE, classes), np.float32)
    weights[0, 0] = 1
    bias = np.array([0, mark / SCALE, *(-1.0 - i for i in range(classes - 2))], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["all" if rows else "logits"]),
            *([helper.make_node("Slice", ["all", "start", "end"], ["logits"])] if rows else []),
        ],
        "marked",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(np.array([0]), "start"),
            numpy_helper.from_array(np.array([rows]), "end"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def answers(
    spec: ModelSpec, mark: int, labels: list[str], model: str, tensors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What the candidate's ensemble, or one of its parts, answers."""
    if model != spec.name and "_preprocess_" not in model:
        return {"logits": _logits(tensors["image"], mark)}
    pixels = np.stack([_pixels(data, spec.preprocess.mean[0]) for data in tensors["image"].ravel()])
    if model != spec.name:
        return {"image": pixels}
    logits = _logits(pixels, mark)
    top = reference_top_classes(logits, labels, spec.postprocess.top_k)
    label = np.array(top.label, dtype=object)
    return {"logits": logits, "class_id": top.class_id, "score": top.score, "label": label}


def _spec(name: str, mark: int) -> ModelSpec:
    one = {"instance_group": [{"kind": "KIND_CPU", "count": 1}]}
    return ModelSpec.model_validate(
        {
            "schema_version": 1,
            "name": name,
            "source": {"factory": "network:none", "weights": "none.pt"},
            "inputs": [{"name": "image", "data_type": "TYPE_FP32", "dims": [3, SIDE, SIDE]}],
            "outputs": [{"name": "logits", "data_type": "TYPE_FP32", "dims": [CLASSES]}],
            "preprocess": {
                "kind": "image",
                "resize": SIDE,
                "crop": SIDE,
                "mean": [mark / SCALE] * 3,
                "std": [1, 1, 1],
            },
            "postprocess": {"kind": "classification", "top_k": 2, "labels": "labels.txt"},
            "variants": [{"name": "fp32"}],
            "serving": {"variant": "fp32", "max_batch_size": 4, **one},
            "samples": {"pictures": ["black.png"]},
        }
    )


def _write_inputs(work: Path, spec: ModelSpec, mark: int, label_mark: int, served: bytes | None) -> dict[str, Path]:
    """The files that the builder's stages would have left for `assemble`."""
    captured, model = work / "captured", work / "model"
    captured.mkdir()
    model.mkdir()
    (model / "model.onnx").write_bytes(network(mark) if served is None else served)
    rows = np.random.default_rng(0).standard_normal((2, 3, SIDE, SIDE)).astype(np.float32)
    pixels = _pixels(picture(), spec.preprocess.mean[0])[None]
    reference = Reference(
        tensors=(
            Rows(names=("random 0", "random 1"), inputs={"image": rows}, outputs={"logits": _logits(rows, mark)}),
        ),
        requests=(
            Rows(
                names=("black.png",),
                requests={"image": np.array([[picture()]], dtype=object)},
                inputs={"image": pixels},
                outputs={"logits": _logits(pixels, mark)},
            ),
        ),
        pictures={"black.png": picture()},
    )
    write_reference(captured, reference)
    save_arrays(work / "answers.npz", {"0/logits": _logits(rows, mark)})
    (work / "labels.txt").write_text("".join(f"mark {label_mark} class {i}\n" for i in range(CLASSES)))
    (work / "model.yaml").write_text(f"# the candidate with mark {mark}\n")
    return {
        "captured": captured,
        "model": model,
        "answers": work / "answers.npz",
        "file/postprocess/labels.txt": work / "labels.txt",
        "spec": work / "model.yaml",
    }


def _logits(pixels: np.ndarray, mark: int) -> np.ndarray:
    rows = np.empty((len(pixels), CLASSES), np.float32)
    rows[:, 0] = pixels.reshape(len(pixels), -1)[:, 0]
    rows[:, 1:] = [mark / SCALE, *(-1.0 - i for i in range(CLASSES - 2))]
    return rows


def _pixels(data: bytes, mean: float) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        array = np.asarray(image.convert("RGB"), np.float32) / 255
    return np.ascontiguousarray(array.transpose(2, 0, 1)) - np.float32(mean)


def seal_again(repository: Path, **changes: object) -> None:
    """Writes a manifest that fits what lies in `repository` now: what somebody does who has more than a clumsy hand."""
    file = repository / NAME / "1" / "manifest.json"
    fields = json.loads(file.read_text())
    fields["parity_sha256"] = file_digest(file.with_name("parity.json"))
    fields["tree"] = read_candidate(repository, NAME).model_dump(mode="json")
    file.write_text(json.dumps(fields | changes))
