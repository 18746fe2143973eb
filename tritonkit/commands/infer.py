"""`tritonkit infer`: files in, answers out."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clients import Answer, Client, ClientError
from clients.codec import numpy_dtype
from clients.many import in_order
from clients.progress import Progress
from tritonkit.commands import console, exit_codes
from tritonkit.commands.calling import add_server_arguments, client_errors, client_options, server_urls
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from clients import ModelMetadata, TensorMetadata

EXAMPLE = "tritonkit infer grpc://127.0.0.1:8001 efficientnet_lite0 cat.jpg espresso.png"

_SHOWN_VALUES = 4
"""How many elements of an output the table shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `tritonkit infer`."""
    add_server_arguments(parser)
    parser.add_argument("model", help="the model's name")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="one request each: an image or text for a BYTES input; .npy; .npz with an array for each input; "
        ".json with an object of input names and values; - for standard input",
    )
    parser.add_argument("--model-version", default="", metavar="N", help="default: the server's choice")
    parser.add_argument("--output", action="append", metavar="NAME", help="ask for this output (can be repeated)")
    parser.add_argument("--top", type=int, default=1, metavar="K", help="labels to show of each file (default: 1)")
    parser.add_argument("--concurrency", type=int, default=4, metavar="N", help="requests in flight (default: 4)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one file over one protocol."""

    file: str
    protocol: str
    outcome: Answer | ClientError | InputError


def run(args: argparse.Namespace) -> int:
    """Sends each file and prints the answers; exit code 1 if any failed.

    Raises:
        InputError: not one file holds what the model takes.
    """
    results: list[Result] = []
    with client_errors():
        for url in server_urls(args):
            results.extend(_results(url, args))
    unfit = [result.outcome for result in results if isinstance(result.outcome, InputError)]
    if len(unfit) == len(results):
        raise unfit[0]
    if args.json:
        console.print_json([_document(result) for result in results])
    else:
        console.emit(_table(results, args.top))
    failed = any(not isinstance(result.outcome, Answer) for result in results)
    return exit_codes.NO if failed else exit_codes.OK


def _results(url: str, args: argparse.Namespace) -> Iterator[Result]:
    """The outcome of each file, read when its turn comes: a folder of photographs need not fit into memory."""
    with Client(url, **client_options(args)) as client:
        metadata = client.metadata(args.model, args.model_version)

        def send(file: str) -> Result:
            outcome: Answer | ClientError | InputError
            try:
                inputs = _read(file, metadata)
                outcome = client.infer(args.model, inputs, version=args.model_version, outputs=args.output)
            except (ClientError, InputError) as error:
                outcome = error
            return Result(file=file, protocol=url.partition("://")[0], outcome=outcome)

        progress = Progress(args.files, shown=len(args.files) > 1)
        yield from in_order(send, args.files, concurrency=args.concurrency, progress=progress)


# -- files -> inputs -------------------------------------------------------------------------------------------------


def _read(file: str, metadata: ModelMetadata) -> Mapping[str, Any]:
    """The inputs in a file.

    Raises:
        InputError: it cannot be read, or does not hold what the model takes.
    """
    try:
        data = sys.stdin.buffer.read() if file == "-" else _bytes_of(file)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=file) from None
    try:
        return _inputs(file, data, metadata)
    except (ValueError, TypeError) as error:
        raise InputError(f"the file does not hold what its name says: {error}", where=file) from None


def _bytes_of(file: str) -> bytes:
    from pathlib import Path  # noqa: PLC0415 - standard input needs none

    return Path(file).read_bytes()


def _inputs(file: str, data: bytes, metadata: ModelMetadata) -> Mapping[str, Any]:
    kind = _kind(file, data)
    if kind == "npz":
        return dict(_load(data).items())
    if kind == "json":
        return _json_inputs(file, data, metadata)
    if len(metadata.inputs) != 1:
        raise InputError(
            "the file holds one value, the model takes several",
            where=file,
            expected=", ".join(tensor.name for tensor in metadata.inputs),
            hint="name each input in a .json or .npz file",
        )
    (only,) = metadata.inputs
    if kind == "npy":
        return {only.name: _as_sample(_load(data), only)}
    if only.datatype != "BYTES":
        raise InputError(
            "the model takes numbers, not a file's bytes",
            where=file,
            expected=f"{only.name}: {only.datatype} {list(only.shape)}",
            hint="send a .npy or .json file, or call an ensemble that decodes the file",
        )
    content = data.rstrip(b"\r\n") if kind == "text" else data
    return {only.name: content}


def _kind(file: str, data: bytes) -> str:
    """What the file holds: by its name, and on standard input by its first bytes."""
    suffix = file.rpartition(".")[2].lower()
    if file != "-":
        return {"npy": "npy", "npz": "npz", "json": "json", "txt": "text"}.get(suffix, "bytes")
    if data.startswith(b"\x93NUMPY"):
        return "npy"
    if data.startswith(b"PK\x03\x04"):
        return "npz"
    if data.lstrip().startswith(b"{"):
        return "json"
    try:
        data.decode()
    except UnicodeDecodeError:
        return "bytes"
    return "text"


def _load(data: bytes) -> Any:
    import io  # noqa: PLC0415 - only numpy's files need it

    # Never unpickled: a .npy of objects could run code.
    return np.load(io.BytesIO(data), allow_pickle=False)


def _as_sample(array: Any, wanted: TensorMetadata) -> Any:
    """The array with a batch dimension of 1 if that is all it lacks: a file is one request."""
    return array[np.newaxis] if array.ndim == len(wanted.shape) - 1 and wanted.shape[0] == -1 else array


def _json_inputs(file: str, data: bytes, metadata: ModelMetadata) -> Mapping[str, Any]:
    document = json.loads(data)
    if not isinstance(document, dict):
        raise InputError("the file is no JSON object", where=file, expected='{"INPUT": VALUE, ...}')
    wanted = {tensor.name: tensor for tensor in metadata.inputs}
    unknown = [name for name in document if name not in wanted]
    if unknown:
        raise InputError(
            f"the model has no input {unknown[0]!r}", where=file, expected=", ".join(wanted), hint="check the names"
        )
    return {name: _json_value(value, wanted[name]) for name, value in document.items()}


def _json_value(value: Any, wanted: TensorMetadata) -> Any:
    if isinstance(value, str):
        return value
    return _as_sample(np.array(value, dtype=numpy_dtype(wanted.datatype)), wanted)


# -- answers -> text -------------------------------------------------------------------------------------------------


def _table(results: Sequence[Result], top: int) -> str:
    several = len({result.protocol for result in results}) > 1
    classified = all(_is_classified(result.outcome) for result in results if isinstance(result.outcome, Answer))
    header = ["file", *(["protocol"] if several else []), *(["label", "score"] if classified else ["answer"]), "ms"]
    rows: list[list[object]] = []
    for result in results:
        start = [result.file, *([result.protocol] if several else [])]
        if not isinstance(result.outcome, Answer):
            rows.append([*start, f"failed: {result.outcome}", *([""] if classified else []), ""])
            continue
        milliseconds = f"{result.outcome.timing.exchange * 1000:.1f}"
        if classified:
            for rank, (label, score) in enumerate(_labels(result.outcome)[:top]):
                first = rank == 0
                rows.append([*(start if first else [""] * len(start)), label, score, milliseconds if first else ""])
        else:
            rows.append([*start, _summary(result.outcome), milliseconds])
    right = [len(header) - 1, *([len(header) - 2] if classified else [])]
    return console.table(header, rows, right=right)


def _is_classified(answer: Answer) -> bool:
    return {"label", "score"} <= set(answer)


def _labels(answer: Answer) -> list[tuple[str, str]]:
    """The labels of the answer's one sample, best first, with their scores."""
    labels = np.ravel(np.array(answer.text("label"), dtype=object)).tolist()
    scores = np.ravel(answer["score"]).tolist()
    return [(label, f"{score:.4f}") for label, score in zip(labels, scores, strict=True)]


def _summary(answer: Answer) -> str:
    return "  ".join(f"{name} {_brief(answer, name)}" for name in answer)


def _brief(answer: Answer, name: str) -> str:
    array = answer[name]
    flat = np.ravel(np.array(answer.text(name), dtype=object)) if array.dtype == object else np.ravel(array)
    shown = ", ".join(
        f"{value:.4g}" if isinstance(value, float) else str(value) for value in flat[:_SHOWN_VALUES].tolist()
    )
    return f"{list(array.shape)}: {shown}{', …' if flat.size > _SHOWN_VALUES else ''}"


def _document(result: Result) -> dict[str, Any]:
    outcome = result.outcome
    if not isinstance(outcome, Answer):
        return {"file": result.file, "protocol": result.protocol, "error": type(outcome).__name__, "what": str(outcome)}
    return {
        "file": result.file,
        "protocol": result.protocol,
        "model": outcome.model,
        "version": outcome.version,
        "milliseconds": round(outcome.timing.exchange * 1000, 3),
        "attempts": outcome.attempts,
        "outputs": {
            name: outcome.text(name) if array.dtype == object else array.tolist() for name, array in outcome.items()
        },
    }
