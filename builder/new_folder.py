"""A factory of the user's -> a folder with model.yaml, code, weights and README that builds as it is."""

from __future__ import annotations

import shlex
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file

from builder.arrays import save_arrays
from builder.guess import Guess, guess_tensors
from builder.sources.weights import fit_weights, make_network, read_state_dict
from tritonkit.spec.document import FunctionPath, Name
from tritonkit.spec.errors import ConflictError, InputError
from tritonkit.spec.model import load_model_spec
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from tritonkit.spec.model import ModelSpec, TensorSpec

_WEIGHTS = "weights.safetensors"
_REQUESTS = "example.npz"
_EXAMPLE = "example"
"""The function beside the factory that gives the example where no other is named."""
_LARGEST_BATCH = 8
# The kit is there when the folder is built, wherever it was installed from.
_NOT_COPIED = ("__main__", "tritonkit", "builder", "clients", "benchmarks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user asks for.

    Attributes:
        folder: the folder to write; its last part becomes the model's name.
        factory: `module:function` that returns the network.
        example: `module:function` that returns one batch of its input; none is `example` of the factory's module.
        weights: file with its state dict; none takes the numbers that the factory's network comes with.
    """

    folder: Path
    factory: str
    example: str | None = None
    weights: Path | None = None


def write_new_folder(wish: Wish, here: Path) -> ModelSpec:
    """Writes the folder, whole or not at all; one that exists is left as it is.

    Args:
        wish: what to write.
        here: where the user stands: modules there come before installed ones.

    Raises:
        ConflictError: the folder exists.
        InputError: the module, the factory, the example or the weights are wrong; says where.
    """
    _check_words(wish)
    if wish.folder.exists():
        raise ConflictError(
            "the folder exists; nothing was written", where=wish.folder, hint="choose another name, or move it away"
        )
    torch.manual_seed(0)  # of numbers that the factory draws
    network = make_network(wish.factory, here, "--from")
    if wish.weights is not None:
        if not wish.weights.is_file():
            raise InputError("--weights: there is no such file", where=wish.weights)
        fit_weights(network, read_state_dict(wish.weights), wish.weights)
    guess = guess_tensors(network.eval(), _example(wish, here))
    wish.folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=wish.folder.parent))
    try:
        draft.chmod(0o755)
        weights = _write_weights(network, wish.weights, draft)
        code = _copy_code(wish, draft)
        save_arrays(draft / _REQUESTS, guess.requests)
        (draft / "model.yaml").write_text(_model_yaml(wish, guess, weights), encoding="utf-8")
        (draft / "README.md").write_text(_readme(wish, guess, weights, code), encoding="utf-8")
        spec = load_model_spec(draft)
        draft.rename(wish.folder)
    except BaseException:
        shutil.rmtree(draft)
        raise
    return spec


def _check_words(wish: Wish) -> None:
    words = {
        "NAME": (Name, wish.folder.name, "small letters, digits and _, a letter first"),
        "--from": (FunctionPath, wish.factory, "module:function"),
        "--example": (FunctionPath, wish.example or wish.factory, "module:function"),
    }
    for key, (form, word, expected) in words.items():
        try:
            TypeAdapter(form).validate_python(word)
        except ValidationError:
            raise InputError(f"{key} is no such word", got=repr(word), expected=expected) from None


def _example(wish: Wish, here: Path) -> object:
    reference = wish.example or f"{wish.factory.partition(':')[0]}:{_EXAMPLE}"
    try:
        give = find_function(reference, here, "--example")
    except InputError as error:
        if wish.example is None:
            error.hint = f"write a function `{_EXAMPLE}` that returns one batch of input, or name one with --example"
        raise
    try:
        return give()
    except Exception as error:  # whatever the user's function raises is about it
        raise InputError(
            "--example fails: it is called without arguments", where=reference, got=f"{type(error).__name__}: {error}"
        ) from error


def _write_weights(network: torch.nn.Module, weights: Path | None, folder: Path) -> str:
    """The name of the file with the weights: the user's own, or a new one with what the network holds."""
    if weights is not None:
        shutil.copyfile(weights, folder / weights.name)
        return weights.name
    # Copies: tensors that share their memory, as tied weights do, have no place in the format.
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in network.state_dict().items()}, folder / _WEIGHTS
    )
    return _WEIGHTS


def _copy_code(wish: Wish, folder: Path) -> list[str]:
    """Copies the factory's module and the modules of the user's that it imported; what is installed is referenced.

    Returns:
        What was copied, relative to `folder`.
    """
    root = _root(wish.factory.partition(":")[0].partition(".")[0])
    if root is None:
        return []
    copied = []
    for name, module in sorted(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "/")
        foreign = name.partition(".")[0] in _NOT_COPIED or _installed(file) or not file.is_relative_to(root)
        # Some modules that are made in memory claim a file.
        if file.suffix == ".py" and not foreign and file.is_file():
            target = folder / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            copied.append(target.relative_to(folder).as_posix())
    return copied


def _root(top: str) -> Path | None:
    """The folder that the module or package `top` lies in; `None` where it is installed."""
    module = sys.modules[top]
    file = getattr(module, "__file__", None)
    place = Path(file or next(iter(module.__path__))).absolute()
    place = place.parent if place.name == "__init__.py" else place
    return None if _installed(place) else place.parent


def _installed(file: Path) -> bool:
    return any(file.is_relative_to(path) for path in map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))


def _model_yaml(wish: Wish, guess: Guess, weights: str) -> str:
    """Written by hand, not dumped: what the user may know better is said where it stands."""
    inputs = "\n".join(f"  - {_tensor(tensor)}" for tensor in guess.inputs)
    outputs = "\n".join(f"  - {_tensor(tensor)}" for tensor in guess.outputs)
    sizes = "without the batch dimension" if guess.batched else "whole: no dimension was found that counts samples"
    return f"""# Written by `tritonkit new`, from one example. Every field: tritonkit/spec/schemas/model.schema.json
schema_version: 1
name: {wish.folder.name}

source: {_flow({"factory": wish.factory, "weights": weights})}

# Shapes of the example, {sizes}. Where a size is free write -1, and name it: `free: [length]`.
inputs:
{inputs}
outputs:
{outputs}

# A request is the network's input. What comes before and after it, `preprocess` and `postprocess`: docs/build.md
variants: [{{name: fp32}}]
serving: {{variant: fp32, max_batch_size: {_LARGEST_BATCH if guess.batched else 0}}}

# Asked of the served model, besides random tensors.
samples: {{requests: {_REQUESTS}}}
"""


def _tensor(tensor: TensorSpec) -> str:
    return _flow(tensor.model_dump(mode="json", exclude_defaults=True))


def _flow(fields: dict[str, Any]) -> str:
    return yaml.safe_dump(fields, default_flow_style=True, sort_keys=False, width=1_000).strip()


def _readme(wish: Wish, guess: Guess, weights: str, code: list[str]) -> str:
    told = {"--from": wish.factory, "--example": wish.example, "--weights": wish.weights and str(wish.weights)}
    command = shlex.join(
        ["tritonkit", "new", str(wish.folder), *(word for key, value in told.items() if value for word in (key, value))]
    )
    inputs, outputs = (", ".join(tensor.name for tensor in tensors) for tensors in (guess.inputs, guess.outputs))
    whose = f"`{wish.factory}`, {f'in {_listed(code)}' if code else 'which is installed'}"
    return f"""# {wish.folder.name}

A network from a factory, {inputs} -> {outputs}: {whose},
with the numbers in `{weights}`. This folder was written by

    {command}

which ran the network on one example, kept in `{_REQUESTS}`, and wrote what it saw into `model.yaml`.

    tritonkit build {wish.folder}

prints a line a stage and then where the candidate lies, once a real Triton has answered as the network does.
"""


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
