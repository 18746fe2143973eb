"""The command line of trtexec."""

from pathlib import Path

from builder.engines.trtexec import trtexec_command
from tests.unit.engines.engine_keys import key

PATHS = (Path("m.onnx"), Path("m.plan"), Path("t.cache"))


def test_shapes_types_and_settings_are_all_said():
    settings = {"workspace_bytes": 1 << 30, "optimization_level": 4}
    command = trtexec_command(Path("/opt/trtexec"), key(settings=settings), *PATHS)
    assert command == [
        "/opt/trtexec",
        "--onnx=m.onnx",
        "--saveEngine=m.plan",
        "--timingCacheFile=t.cache",
        "--builderOptimizationLevel=4",
        "--stronglyTyped",
        "--skipInference",
        "--noTF32",
        "--memPoolSize=workspace:1073741824B",
        "--minShapes=image:1x3x8x8",
        "--optShapes=image:4x3x8x8",
        "--maxShapes=image:8x3x8x8",
    ]


def test_a_fixed_graph_has_no_shapes():
    command = trtexec_command(Path("trtexec"), key(profile={}, settings={"tf32": True}), *PATHS)
    assert not [word for word in command if "Shapes" in word or "TF32" in word or "memPool" in word]
