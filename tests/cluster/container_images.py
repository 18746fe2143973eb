"""Container images for the cluster, made on this machine without a registry, and kept as archives by content."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.helm.programs import CACHE, locked
from tritonkit.server.environment import SERVER_WHEEL
from tritonkit.spec.ngc import DEFAULT_RELEASE, release

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "images"
PAUSE = "localhost/tritonkit-pause:1"
PACKAGES = ("python3", "python3-pip", "python3-venv", "libpython3.11", "ca-certificates")
_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image and the archive that a node imports it from.

    Attributes:
        name: with a tag that follows from the content.
        archive: as `docker save` writes it.
    """

    name: str
    archive: Path

    def values(self) -> dict[str, str]:
        """The image as the chart's values have it."""
        registry, _, rest = self.name.partition("/")
        repository, _, tag = rest.partition(":")
        return {"registry": registry, "repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """All images of the tests."""

    triton: Image
    kit: Image
    tools: Image


def build_images(version_folder: Path) -> Images:
    """Builds what is not there yet; takes about six minutes the first time.

    Args:
        version_folder: of a repository's served version: `Dockerfile.triton` installs what its manifest names.
    """
    base = _base()
    python = {"PYTHON_IMAGE": base.name}
    wheel = _build(
        "tritonserver-wheel",
        HERE / "triton-wheel.Containerfile",
        context=ROOT / "tritonkit" / "server" / "backends",
        given=("onnxruntime",),
        arguments=python
        | {"SERVER_WHEEL": SERVER_WHEEL, "ONNXRUNTIME": f"onnxruntime=={release(DEFAULT_RELEASE).onnxruntime}"},
    )
    triton = _build(
        "tritonserver",
        ROOT / "Dockerfile.triton",
        context=version_folder,
        given=("manifest.json",),
        arguments={"TRITON_IMAGE": wheel.name},
    )
    kit = _build(
        "tritonkit",
        ROOT / "Dockerfile",
        context=ROOT,
        given=("pyproject.toml", "README.md", "tritonkit", "builder", "clients", "benchmarks"),
        arguments=python,
    )
    tools = _build("tritonkit-tools", HERE / "tools.Containerfile", context=HERE, given=(), arguments=python)
    return Images(triton=triton, kit=kit, tools=tools)


def write_pause_archive(program: Path, archive: Path) -> Path:
    """An image of one static program, which needs no builder."""
    layer = _tar({"pause": (program.read_bytes(), 0o755)})
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]).encode()
    members = {"config.json": (config, 0o644), "layer.tar": (layer, 0o644), "manifest.json": (manifest, 0o644)}
    archive.write_bytes(_tar(members))
    return archive


def _base() -> Image:
    """Debian with Python, made from its packages; it trusts whom this machine trusts."""
    certificates = _SYSTEM_CERTIFICATES.read_bytes()
    image = _image("tritonkit-base", [*PACKAGES, hashlib.sha256(certificates).hexdigest()])
    with locked(image.name.replace("/", "-")):
        if not _have(image.name):
            print("making a Debian of its packages", flush=True)
            root = _folder() / "base.tar"
            pip = f"[global]\\ncert = {_SYSTEM_CERTIFICATES}\\n"
            hooks = [
                'ln -s python3 "$1/usr/bin/python"',
                f'cat {_SYSTEM_CERTIFICATES} > "$1{_SYSTEM_CERTIFICATES}"',
                f"""printf '{pip}' > "$1/etc/pip.conf" """,
            ]
            _run(
                "mmdebstrap",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                *(f"--customize-hook={hook}" for hook in hooks),
                "bookworm",
                root,
            )
            container = _buildah("from", "scratch").stdout.strip()
            _buildah("add", container, str(root), "/")
            _buildah("commit", "--rm", container, image.name)
            root.unlink()
    return image


def _build(
    name: str, containerfile: Path, *, context: Path, given: tuple[str, ...], arguments: Mapping[str, str]
) -> Image:
    """The image of that file; `given` are the parts of the context that go into it."""
    content = [containerfile.read_text(), json.dumps(arguments, sort_keys=True)]
    image = _image(name, [*content, *(_digest(context / part) for part in given)])
    with locked(image.name.replace("/", "-")):
        if not image.archive.exists():
            print(f"building {image.name} from {containerfile.name}", flush=True)
            build_arguments = [f"--build-arg={key}={value}" for key, value in arguments.items()]
            _buildah(
                *("build", "--isolation", "chroot", "--network", "host", "--layers", "--format", "docker"),
                *(*build_arguments, "--tag", image.name, "--file", str(containerfile), str(context)),
            )
            partial = image.archive.with_suffix(".part")
            partial.unlink(missing_ok=True)
            _buildah("push", image.name, f"docker-archive:{partial}:{image.name}")
            for old in _folder().glob(f"{name}-[0-9a-f]*.tar"):
                old.unlink()
            partial.rename(image.archive)
    return image


def _image(name: str, content: list[str]) -> Image:
    key = hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
    return Image(name=f"localhost/{name}:{key}", archive=_folder() / f"{name}-{key}.tar")


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    lines = [f"{p.relative_to(path)} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in files if _counts(p)]
    return "\n".join(lines)


def _counts(path: Path) -> bool:
    """What .dockerignore leaves to the builder."""
    return "__pycache__" not in path.parts and path.parent.name != "results"


def _have(name: str) -> bool:
    return _buildah("inspect", "--type", "image", name, check=False).returncode == 0


def _folder() -> Path:
    folder = CACHE.parent / "cluster" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _buildah(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    assert shutil.which("buildah"), "buildah is not on PATH (make cluster-packages installs it)"
    storage = CACHE.parent / "cluster" / "storage"
    return _run("buildah", "--root", storage, "--runroot", "/run/tritonkit-images", *arguments, check=check)


def _run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=1200)
    assert not check or done.returncode == 0, (
        f"{' '.join(map(str, command))}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done


def _tar(members: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (data, mode) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
