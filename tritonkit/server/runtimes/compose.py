"""A published repository -> `compose.yaml`: the NGC container, Prometheus and Grafana, wired and bound to loopback."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tritonkit.spec.ngc import Release

PROMETHEUS_IMAGE = "prom/prometheus:v3.5.0"
GRAFANA_IMAGE = "grafana/grafana:12.1.0"
# The Python backend keeps one region for each instance of a step; docker's own 64 MB are soon full.
SHARED_MEMORY = "1g"
STOP_SECONDS = 45


def server_flags(models: Sequence[str]) -> list[str]:
    """The flags for a repository of the kit: the served names alone, and nothing that a stranger can change."""
    return [
        "--model-repository=/models",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in models),
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--exit-timeout-secs=30",
        "--allow-client-shm=false",
    ]


def docker_run(repository: Path, models: Sequence[str], image: str) -> str:
    """The command line that serves `repository` in `image` on loopback, with GPUs where docker has them."""
    line = [
        *(
            "docker",
            "run",
            "--rm",
            "--init",
            "--gpus=all",
            f"--shm-size={SHARED_MEMORY}",
            "--read-only",
            "--tmpfs=/tmp",
        ),
        *(f"--publish=127.0.0.1:{port}:{port}" for port in (8000, 8001, 8002)),
        f"--volume={repository.absolute()}:/models:ro",
        image,
        "tritonserver",
        *server_flags(models),
    ]
    return shlex.join(line)


def compose_files(repository: Path, models: Sequence[str], image: str) -> dict[str, str]:
    """Text of `compose.yaml`, `prometheus.yml` and `grafana-datasource.yml`, by file name."""
    services: dict[str, Any] = {
        "triton": {
            "image": image,
            "command": ["tritonserver", *server_flags(models)],
            "init": True,
            "shm_size": SHARED_MEMORY,
            "read_only": True,
            "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
            "volumes": [f"{repository.absolute()}:/models:ro"],
            "ports": [f"127.0.0.1:{port}:{port}" for port in (8000, 8001, 8002)],
            "stop_grace_period": f"{STOP_SECONDS}s",
            "deploy": {
                "resources": {
                    "reservations": {"devices": [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]}
                }
            },
            "healthcheck": {
                "test": ["CMD", "curl", "-fsS", "http://127.0.0.1:8000/v2/health/ready"],
                "interval": "5s",
                "timeout": "2s",
                "retries": 60,
            },
        },
        "prometheus": {
            "image": PROMETHEUS_IMAGE,
            "volumes": ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro"],
            "ports": ["127.0.0.1:9090:9090"],
            "depends_on": {"triton": {"condition": "service_healthy"}},
        },
        "grafana": {
            "image": GRAFANA_IMAGE,
            "volumes": ["./grafana-datasource.yml:/etc/grafana/provisioning/datasources/prometheus.yml:ro"],
            "ports": ["127.0.0.1:3000:3000"],
            "depends_on": ["prometheus"],
        },
    }
    scrape = {"job_name": "triton", "static_configs": [{"targets": ["triton:8002"]}]}
    source = {"name": "Prometheus", "type": "prometheus", "url": "http://prometheus:9090", "isDefault": True}
    documents: dict[str, Any] = {
        "compose.yaml": {"services": services},
        "prometheus.yml": {"global": {"scrape_interval": "5s"}, "scrape_configs": [scrape]},
        "grafana-datasource.yml": {"apiVersion": 1, "datasources": [source]},
    }
    return {name: yaml.safe_dump(document, sort_keys=False) for name, document in documents.items()}


def image_of(release: Release, python_packages: Sequence[str]) -> tuple[str, str]:
    """The image that serves a repository, and the Dockerfile that makes it from the NGC one.

    Args:
        release: the NGC release that the repository was built for.
        python_packages: what its Python steps import, as requirements: the NGC image has numpy, and no Pillow.
    """
    requirements = " ".join(shlex.quote(package) for package in python_packages)
    lines = [f"FROM {release.image}"]
    if requirements:
        lines.append(f"RUN pip install --no-cache-dir {requirements}")
    return f"tritonkit-serving:{release.name}", "\n".join([*lines, "USER triton-server"]) + "\n"
