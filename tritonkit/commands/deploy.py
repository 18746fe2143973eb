"""`tritonkit deploy`: a model repository -> the values of the Helm chart, and the command that installs them."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tritonkit.commands import console, exit_codes
from tritonkit.repository.config import read_config
from tritonkit.repository.layout import CONFIG, read_manifest, served_version
from tritonkit.repository.verify import verify
from tritonkit.spec.errors import GateError, InputError, UnavailableError

if TYPE_CHECKING:
    import argparse

    from tritonkit.spec.manifest import Manifest

EXAMPLE = (
    "tritonkit deploy model_repository --model efficientnet_lite0 --claim models --kit-image registry/tritonkit:0.1.0"
)

CHART = Path(__file__).parents[2] / "helm" / "tritonkit"
MEBIBYTE = 1 << 20
# Of a server without a model, measured on 2.51.0: 54 MiB; with CUDA its context and libraries come on top.
_SERVER_MIB = 512
# Python steps keep a megabyte of shared memory an instance; requests and answers in flight lie there too.
_SHM_PER_INSTANCE_MIB = 64
# A cluster's disks and cores are slower than the machine that measured, and models load beside one another there.
_LOAD_MARGIN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a served model needs, as far as its repository tells.

    Attributes:
        manifest: what was proven.
        manifest_sha256: its digest.
        megabytes: size of all files that are served, in MiB.
        artefact_copies_mib: memory of the model files, once for every instance that loads them.
        python_instances: instances of Python steps.
        gpu: whether a part asks for a GPU by name.
    """

    manifest: Manifest
    manifest_sha256: str
    megabytes: int
    artefact_copies_mib: int
    python_instances: int
    gpu: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("repository", type=Path, help="a model repository, or a candidate's")
    parser.add_argument("--model", required=True, help="the served name")
    parser.add_argument("--release", default="triton", metavar="NAME", help="name of the Helm release (%(default)s)")
    parser.add_argument("--namespace", default="default", help="default: %(default)s")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--claim", metavar="PVC", help="the claim whose volume holds the repository")
    source.add_argument("--s3", metavar="BUCKET/PREFIX", help="where the repository lies in S3")
    source.add_argument("--gcs", metavar="BUCKET/PREFIX", help="where it lies in Google Cloud Storage")
    source.add_argument("--azure", metavar="ACCOUNT/CONTAINER/PREFIX", help="where it lies in Azure Blob Storage")
    parser.add_argument(
        "--sub-path", metavar="FOLDER", help="its folder in the volume (default: the repository's name)"
    )
    parser.add_argument("--region", default="", help="the bucket's region")
    parser.add_argument("--image", metavar="IMAGE", help="serving image (default: NVIDIA's of the manifest's release)")
    parser.add_argument("--kit-image", required=True, metavar="IMAGE", help="the kit's image, built from Dockerfile")
    parser.add_argument("--cpu", action="store_true", help="without a GPU")
    parser.add_argument("--cpus", type=int, default=4, metavar="N", help="CPU limit of a pod (%(default)s)")
    parser.add_argument("--load-seconds", type=float, metavar="S", help="measured load time, where a build tells none")
    parser.add_argument("--values", type=Path, default=Path("values.yaml"), help="file to write (default: %(default)s)")
    parser.add_argument("--apply", action="store_true", help="run the command, and wait until the release serves")


def run(args: argparse.Namespace) -> int:
    """Writes the values and prints the command; with `--apply` runs it, and ends as it does."""
    needs = read_needs(args.repository, args.model)
    values = chart_values(needs, args, _load_seconds(args))
    args.values.write_text(_HEADER + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    command = helm_command(args)
    if args.json:
        console.print_json({"values": values, "command": command})
    else:
        console.say(f"wrote {args.values}")
        console.emit(shlex.join(command))
    return _apply(command) if args.apply else exit_codes.OK


_HEADER = "# Written by `tritonkit deploy`; helm/tritonkit/README.md lists what else may stand here.\n"


def read_needs(repository: Path, name: str) -> Needs:
    """What the served version of `name` needs.

    Raises:
        InputError: nothing is published under that name.
        GateError: the repository does not hold what was proven.
    """
    verified = verify(repository, name)
    version = repository / name / str(served_version(repository, name))
    manifest = read_manifest(version)
    configs = {part.name: read_config(repository / part.name / CONFIG) for part in manifest.parts}
    instances = {part: sum(max(1, group.count) for group in c.instance_group) or 1 for part, c in configs.items()}
    sizes = {part.name: _mebibytes(repository / part.name) for part in manifest.parts}
    python = [part.name for part in manifest.parts if part.backend == "python"]
    kinds = {group.kind for config in configs.values() for group in config.instance_group}
    return Needs(
        manifest=manifest,
        manifest_sha256=verified.manifest_sha256,
        megabytes=math.ceil(sum(sizes.values()) + _mebibytes(version)),
        artefact_copies_mib=math.ceil(sum(sizes[n] * instances[n] for n in sizes if n not in python)),
        python_instances=sum(instances[n] for n in python),
        gpu=_KIND_GPU in kinds,
    )


_KIND_GPU = 1  # ModelInstanceGroup.Kind in model_config.proto


def chart_values(needs: Needs, args: argparse.Namespace, load_seconds: float | None) -> dict[str, Any]:
    """The chart's values for these needs.

    Raises:
        InputError: an image or a source is not written as one.
        GateError: a part asks for a GPU, and there shall be none.
    """
    if args.cpu and needs.gpu:
        raise GateError("a part asks for a GPU", where=args.repository, hint="leave --cpu out, or build it KIND_AUTO")
    shm = max(64, _SHM_PER_INSTANCE_MIB * needs.python_instances)
    # Weights once as a file's pages and once in the runtime's own form, in every instance.
    memory = _SERVER_MIB + 2 * needs.artefact_copies_mib + 192 * needs.python_instances + shm
    image = args.image or f"nvcr.io/nvidia/tritonserver:{needs.manifest.target}-py3"
    values: dict[str, Any] = {
        "image": {**_image(image), "release": needs.manifest.target},
        "kitImage": _image(args.kit_image),
        "models": [{"name": needs.manifest.name, "manifestSha256": needs.manifest_sha256}],
        "modelSource": {**_source(args), "sizeLimit": f"{max(64, 2 * needs.megabytes)}Mi"},
        "gpu": {"mode": "none" if args.cpu else "count"},
        "shm": {"sizeLimit": f"{shm}Mi"},
        "resources": {
            "requests": {"cpu": str(max(1, args.cpus // 2)), "memory": f"{_rounded(memory)}Mi"},
            "limits": {"cpu": str(args.cpus), "memory": f"{_rounded(2 * memory)}Mi"},
        },
    }
    if load_seconds is not None:
        values["startup"] = {"maxLoadSeconds": min(7200, max(60, math.ceil(_LOAD_MARGIN * load_seconds)))}
    return values


def helm_command(args: argparse.Namespace) -> list[str]:
    """What installs or upgrades the release."""
    place = ["--namespace", args.namespace, "--create-namespace"]
    return ["helm", "upgrade", "--install", args.release, str(CHART), *place, "--values", str(args.values), "--wait"]


def _apply(command: list[str]) -> int:
    if not CHART.is_dir():
        raise UnavailableError("the chart is not here", where=CHART, hint="run this from a checkout of the kit")
    if shutil.which(command[0]) is None:
        raise UnavailableError(
            "helm is not on PATH", hint="install it from helm.sh, then run the command that was printed"
        )
    return exit_codes.OK if subprocess.run(command, check=False).returncode == 0 else exit_codes.NO


def _load_seconds(args: argparse.Namespace) -> float | None:
    """How long the models took to load when they were proven: told, or as the build beside a candidate measured."""
    if args.load_seconds is not None:
        return float(args.load_seconds)
    report = args.repository.parent / "build.json"
    if not report.is_file():
        return None
    served = (stage for stage in json.loads(report.read_bytes())["stages"] if stage["name"] == "served")
    results = [Path(stage["folder"]) / "result.json" for stage in served]
    # The stage's folder is in a cache, where anything may be deleted at any time.
    found = [json.loads(file.read_bytes())["result"]["load_seconds"] for file in results if file.is_file()]
    return float(found[0]) if found else None


def _source(args: argparse.Namespace) -> dict[str, Any]:
    if args.claim:
        return {
            "type": "pvc",
            "pvc": {"claimName": args.claim, "subPath": args.sub_path or args.repository.resolve().name},
        }
    if args.s3 and not args.region:
        raise InputError("the bucket's region is missing", got=args.s3, hint="add --region")
    if args.s3:
        bucket, prefix = _place(args.s3, "s3://", 1)
        return {"type": "s3", "s3": {"bucket": bucket, "prefix": prefix, "region": args.region}}
    if args.gcs:
        bucket, prefix = _place(args.gcs, "gs://", 1)
        return {"type": "gcs", "gcs": {"bucket": bucket, "prefix": prefix}}
    account, container, prefix = _place(args.azure, "", 2)
    return {"type": "azure", "azure": {"account": account, "container": container, "prefix": prefix}}


def _place(text: str, scheme: str, names: int) -> list[str]:
    """The names at the front of a store's path, and the rest of it, which may be empty."""
    words = text.removeprefix(scheme).strip("/").split("/", names)
    if len(words) < names or not all(words):
        raise InputError("this names no place in a store", got=text, expected="as --help has it")
    return words if len(words) > names else [*words, ""]


def _image(text: str) -> dict[str, str]:
    """`registry/repository:tag@digest` as the chart's values have it."""
    name, _, digest = text.partition("@")
    name, colon, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    if not name or (digest and not digest.startswith("sha256:")) or (colon and not tag):
        raise InputError("this is no image", got=text, expected="REGISTRY/REPOSITORY:TAG, best with @sha256:DIGEST")
    first, slash, rest = name.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, repository = (first, rest) if has_registry else ("", name)
    return {"registry": registry, "repository": repository, "tag": tag, "digest": digest}


def _mebibytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MEBIBYTE


def _rounded(mebibytes: int) -> int:
    """Up to the next 128 MiB: figures that are estimates should not look exact."""
    return 128 * math.ceil(mebibytes / 128)
