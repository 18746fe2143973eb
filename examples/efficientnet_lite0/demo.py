"""The main job, end to end, on real input. Read it as the tutorial; run it with `make demo`.

Real ImageNet weights become a verified Triton repository; a real tritonserver serves it; photographs get their names
over gRPC and HTTP; a short load test follows; one HTML page tells it all.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plan import LoadPlan
from benchmarks.run import run_load
from builder.build import build
from builder.golden import read_golden
from builder.prove import ask_server, parity_report
from clients import Client
from tritonkit.commands.console import emit, say, step, table
from tritonkit.commands.front_door import main as tritonkit
from tritonkit.repository.layout import golden_folder, read_manifest
from tritonkit.repository.lint import lint_repository
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.server import ServerOptions, TritonServer, ensure_environment
from tritonkit.server.runtimes.compose import compose_files, docker_run, image_of
from tritonkit.spec.errors import GateError, KitError
from tritonkit.spec.model import load_model_spec
from tritonkit.spec.ngc import release
from tritonkit.spec.reports import Answered, ServerTimes

EXAMPLE = Path(__file__).parent
OUT = Path("out/efficientnet_lite0")
REPOSITORY = Path("model_repository")
NAME = "efficientnet_lite0"


def main() -> None:
    """Does all of it, in order."""
    # The server's own Python environment: numpy < 2, Pillow, the target's ONNX Runtime, no torch.
    with step("server") as line:
        environment = ensure_environment("26.07", progress=line.note)
        line.done(f"a real tritonserver, with the ONNX Runtime of Triton 26.07 ({environment.onnxruntime})")

    # 1-6. Weights -> ONNX -> repository -> served, and equal at every station, or this line raises.
    report = build(EXAMPLE, OUT, watch=step)

    # Would it load? Said without a server; `tritonkit lint` is the same.
    with step("lint") as line:
        verdicts = lint_repository(OUT / "repository", release(report.target)).models
        if bad := [verdict.name for verdict in verdicts if not verdict.loads]:
            raise GateError("lint says that models will not load", where=OUT / "repository", got=", ".join(bad))
        line.done(f"{len(verdicts)} of {len(verdicts)} models will load in Triton {report.target}")

    # 7. The candidate becomes the next version, by renames and one replaced file.
    with step("publish") as line:
        change = publish(check_candidate(OUT / "repository"), REPOSITORY)
        line.done(f"version {change.version} in {REPOSITORY}/" + ("" if change.changed else " (published before)"))

    with TritonServer(ServerOptions(REPOSITORY, models=(NAME,), release=report.target)) as server:
        say(f"  serving on {server.http_url} and {server.grpc_url}")
        urls = {"grpc": server.grpc_url, "http": server.http_url}

        # The golden bundle, against what is published and live; `tritonkit parity` replays it on any Triton.
        with step("parity") as line:
            golden = read_golden(golden_folder(REPOSITORY, NAME))
            comparisons = [one for protocol, url in urls.items() for one in ask_server(golden, url, protocol)]
            live = parity_report(golden, comparisons, asked="published and live", server="")
            if (failed := live.first_problem()) is not None:
                raise GateError("the published model answers otherwise", where=failed.output, got=failed.problem)
            line.done(f"{len(comparisons)} of {len(comparisons)} comparisons equal on the published version")

        # 8. Photographs get their names.
        photos = [OUT / "pictures" / Path(name).name for name in _photos()]
        answers = [answer for protocol, url in urls.items() for answer in _classify(protocol, url, photos)]
        emit("\n" + _answers_table(answers) + "\n")

        # 9. Ten seconds of Locust.
        with step("load") as line:
            plan = LoadPlan(
                model=NAME,
                grpc_url=server.grpc_url,
                http_url=server.http_url,
                seconds=10,
                files=tuple(photos),
            )
            load = run_load(plan, progress=line.note, command=_bench_command(photos))
            line.done(
                "; ".join(
                    f"{s.protocol} {s.throughput:.0f}/s, p50 {s.latency.p50:.0f}, p95 {s.latency.p95:.0f}, "
                    f"p99 {s.latency.p99:.0f} ms, {s.failures} failed"
                    for s in load.series
                )
            )
        emit("\n" + _server_table(load.server) + "\n")

    # 10. The same repository in production: the command lines, filled in.
    packages = {
        name: version
        for part in read_manifest(REPOSITORY / NAME / str(change.version)).parts
        for name, version in part.python_packages.items()
    }
    image, dockerfile = image_of(release(report.target), [f"{n}=={v}" for n, v in packages.items() if n != "numpy"])
    (OUT / "Dockerfile").write_text(dockerfile)
    for name, text in compose_files(REPOSITORY, (NAME,), image).items():
        (OUT / name).write_text(text)

    # 11. One page with all of it.
    (OUT / "load.json").write_text(load.model_dump_json(indent=1) + "\n")
    (OUT / "answers.json").write_text(json.dumps([answer.model_dump(mode="json") for answer in answers], indent=1))
    with step("report") as line:
        if tritonkit(["report", str(OUT)]) != 0:
            sys.exit(1)
        line.done("open it in a browser")

    emit(
        f"""
next:
  tritonkit serve {REPOSITORY}
  tritonkit infer grpc://127.0.0.1:8001 {NAME} {photos[0]}
  docker build -t {image} {OUT}
  {docker_run(REPOSITORY, (NAME,), image)}
  docker compose -f {OUT}/compose.yaml up     # the same, with Prometheus and Grafana"""
    )


def _photos() -> list[str]:
    return [reference.rpartition("/")[2] for reference in load_model_spec(EXAMPLE).samples.pictures]


def _classify(protocol: str, url: str, photos: list[Path]) -> list[Answered]:
    answers = []
    with Client(url) as client:
        client.metadata(NAME)  # asked for once, so that the first photograph's time is its own
        for photo in photos:
            began = time.perf_counter()
            answer = client.infer(NAME, {"image": [[photo.read_bytes()]]}, outputs=("label", "score"))
            milliseconds = (time.perf_counter() - began) * 1000
            labels = [label.decode() for label in answer["label"][0]]
            classes = tuple(zip(labels, answer["score"][0].tolist(), strict=True))
            answers.append(Answered(file=photo.name, protocol=protocol, milliseconds=milliseconds, classes=classes))
    return answers


def _answers_table(answers: list[Answered]) -> str:
    rows = [(a.file, a.classes[0][0], f"{a.classes[0][1]:.3f}", a.protocol, f"{a.milliseconds:.1f}") for a in answers]
    return table(("file", "label", "score", "protocol", "ms"), rows, right=(2, 4))


def _server_table(server: Sequence[ServerTimes]) -> str:
    header = ("the server's account", "executions", "mean batch", "queue ms", "compute ms")
    rows = [
        (s.model, s.executions, f"{s.mean_batch:.2f}", f"{s.queue_ms:.2f}", f"{s.compute_infer_ms:.2f}") for s in server
    ]
    return table(header, rows, right=(1, 2, 3, 4))


def _bench_command(photos: list[Path]) -> str:
    return f"tritonkit bench grpc://127.0.0.1:8001 http://127.0.0.1:8000 {NAME} --files {' '.join(map(str, photos))}"


if __name__ == "__main__":
    began = time.monotonic()
    try:
        main()
    except KitError as error:
        say(f"demo: {error}")
        sys.exit(error.exit_code)
    say(f"\ndone in {time.monotonic() - began:.0f} s; the page: {OUT}/report.html")
