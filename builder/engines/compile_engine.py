"""ONNX -> engine, in a child process: the one place that drives the API of `tensorrt` and `tensorrt_rtx`.

Both modules have one API. They differ in three points, which are spelt out where they matter: TensorRT-RTX builds
for GPUs that are not here, and has no timing cache; TensorRT builds for the GPU at hand.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from builder.engines.child import PROGRESS, end_with_parent
from builder.engines.failures import ParserComplaint, builder_error, parser_error
from builder.engines.graph import read_graph
from builder.engines.libraries import exact_version, load_library
from builder.engines.records import LIBRARY_TITLES, EngineKey, sm_name
from tritonkit.spec.errors import ConflictError, GateError
from tritonkit.spec.model import Document

if TYPE_CHECKING:
    from pathlib import Path

    from builder.engines.graph import EngineGraph

ENGINE = "engine"
TIMING_CACHE = "timing.cache"

# TensorRT's types by the ONNX type that they serve unchanged. FP64 is not among them: TensorRT makes it FP32, and
# the model's configuration would then say another type than the engine has.
_SAME_TYPE = {
    "FLOAT": "FLOAT",
    "FLOAT16": "HALF",
    "BFLOAT16": "BF16",
    "INT8": "INT8",
    "UINT8": "UINT8",
    "INT32": "INT32",
    "INT64": "INT64",
    "BOOL": "BOOL",
}


class CompileRequest(Document):
    """What to build."""

    key: EngineKey


class CompileResult(Document):
    """What was built."""

    bytes: int
    seconds: float


def compile_engine(request: CompileRequest, inputs: dict[str, Path], out: Path) -> CompileResult:
    """Builds one engine; `builder.stage` calls this in a child process.

    Args:
        request: the key of the engine.
        inputs: `onnx`, the file; `timing`, if there is one, an earlier timing cache.
        out: where `engine` and `timing.cache` go. `progress.json` beside it says how far the build is.

    Raises:
        GateError: the graph cannot become an engine for this GPU; says which node and what to do.
        UnavailableError: the library does not load, or needs a GPU.
        ConflictError: the library or the file is not the one of the key.
    """
    end_with_parent()
    key = request.key
    began = time.monotonic()
    library = load_library(key.library)
    title = f"{LIBRARY_TITLES[key.library]} {library.__version__}"
    if exact_version(library.__version__) != key.version:
        raise ConflictError("another TensorRT is installed than the build began with", got=title, expected=key.version)
    graph = read_graph(inputs["onnx"])
    if graph.sha256 != key.onnx_sha256:
        raise ConflictError(
            "the ONNX file changed while its engine was to be built",
            where=graph.path,
            got=graph.sha256,
            expected=key.onnx_sha256,
        )
    logger = _make_logger(library)
    builder = _make_builder(library, logger, title, graph)
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(library, network, logger, graph, title)
    _require_types(network, graph, title)
    config = _make_config(library, builder, key)
    # TensorRT keeps a bare reference to the monitor; this one keeps it alive.
    monitor = _make_monitor(library, out.parent / PROGRESS)
    config.progress_monitor = monitor
    cache = _load_timing_cache(config, key, inputs.get("timing"))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise builder_error(title, graph.path, logger.errors, graph.operators)
    (out / ENGINE).write_bytes(memoryview(engine))
    if cache is not None:
        (out / TIMING_CACHE).write_bytes(memoryview(cache.serialize()))
    return CompileResult(bytes=engine.nbytes, seconds=time.monotonic() - began)


def _make_logger(library: Any) -> Any:
    class Logger(library.ILogger):  # type: ignore[misc]  # the module is known at run time only
        """Keeps errors for the report; everything goes to the child's log."""

        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= library.ILogger.ERROR:
                self.errors.append(message)
            if severity <= library.ILogger.INFO:
                sys.stderr.write(f"[{severity.name}] {message}\n")

    return Logger()


def _make_builder(library: Any, logger: Any, title: str, graph: EngineGraph) -> Any:
    try:
        return library.Builder(logger)
    except (RuntimeError, TypeError) as error:
        # Without a GPU, TensorRT logs why and its factory returns nothing, which the binding raises as TypeError.
        raise builder_error(title, graph.path, [*logger.errors, str(error)], graph.operators) from None


def _parse(library: Any, network: Any, logger: Any, graph: EngineGraph, title: str) -> None:
    parser = library.OnnxParser(network, logger)
    if parser.parse_from_file(str(graph.path)):
        return
    complaints = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        number = error.node()
        complaints.append(
            ParserComplaint(
                code=str(error.code()).rpartition(".")[2],
                node="" if number < 0 else error.node_name() or f"#{number}",
                operator=error.node_operator() or "",
                text=error.desc(),
            )
        )
    raise parser_error(title, graph.path, complaints)


def _require_types(network: Any, graph: EngineGraph, title: str) -> None:
    """An engine's inputs and outputs must have the types that the model's configuration takes from the graph."""
    said = {tensor.name: tensor.data_type for tensor in graph.inputs} | graph.outputs
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    tensors += [network.get_output(index) for index in range(network.num_outputs)]
    for tensor in tensors:
        if tensor.is_shape_tensor:
            raise GateError(
                f"{title} computes shapes from the values of {tensor.name}, which no profile here bounds",
                where=graph.path,
                hint="serve this variant on onnxruntime, or make the shape constant",
            )
        if tensor.dtype.name != _SAME_TYPE.get(said[tensor.name]):
            raise GateError(
                f"{title} gives {tensor.name} another data type than the graph",
                where=graph.path,
                got=tensor.dtype.name,
                expected=said[tensor.name],
                hint="cast it in the graph, or serve this variant on onnxruntime",
            )


def _make_config(library: Any, builder: Any, key: EngineKey) -> Any:
    config = builder.create_builder_config()
    settings = key.settings
    if settings.workspace_bytes is not None:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, settings.workspace_bytes)
    config.builder_optimization_level = settings.optimization_level
    if settings.tf32:
        config.set_flag(library.BuilderFlag.TF32)
    else:
        config.clear_flag(library.BuilderFlag.TF32)
    if key.library == "tensorrt_rtx":
        config.num_compute_capabilities = 1
        config.set_compute_capability(_rtx_target(library, key.compute_capability), 0)
    if key.profile:
        profile = builder.create_optimization_profile()
        for name, (smallest, optimal, largest) in key.profile.items():
            profile.set_shape(name, smallest, optimal, largest)
        config.add_optimization_profile(profile)
    return config


def _rtx_target(library: Any, compute_capability: str) -> Any:
    targets = {name: value for name, value in library.ComputeCapability.__members__.items() if name.startswith("SM")}
    target = targets.get(sm_name(compute_capability).upper())
    if target is None:
        raise GateError(
            "TensorRT-RTX has no such GPU among its targets",
            got=compute_capability,
            expected=", ".join(f"{name[2:-1]}.{name[-1]}" for name in targets),
            hint="build with TensorRT on a node that has this GPU",
        )
    return target


def _make_monitor(library: Any, file: Path) -> Any:
    class Monitor(library.IProgressMonitor):  # type: ignore[misc]  # the module is known at run time only
        """Writes the innermost phase and the steps done of the outermost, at most five times a second."""

        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self.outer: tuple[str, int] | None = None
            self.done = 0
            self.written = 0.0

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self.outer = (phase, steps)
            self.tell(phase)

        def step_complete(self, phase: str, step: int) -> bool:
            if self.outer is not None and phase == self.outer[0]:
                self.done = step + 1
            self.tell(phase)
            return True

        def phase_finish(self, phase: str) -> None:
            self.tell(phase)

        def tell(self, phase: str) -> None:
            if time.monotonic() - self.written < 0.2:
                return
            self.written = time.monotonic()
            steps = self.outer[1] if self.outer else 0
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps({"phase": phase, "done": self.done, "steps": steps}))
            partial.rename(file)

    return Monitor()


def _load_timing_cache(config: Any, key: EngineKey, earlier: Path | None) -> Any:
    """The timing cache to build with, filled with what an earlier build measured; TensorRT-RTX measures nothing."""
    if key.library == "tensorrt_rtx":
        return None
    cache = config.create_timing_cache(earlier.read_bytes() if earlier is not None else b"")
    # No mismatch is ignored: a cache of another version or GPU is refused by TensorRT, and an empty one is used.
    if not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache
