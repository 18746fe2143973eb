"""A candidate's trial: loaded by a Triton of its own and asked its golden bundle, before any traffic sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from builder.golden import read_golden
from builder.prove import ask_server, parity_report
from clients import ClientError
from tritonkit.repository.layout import GOLDEN
from tritonkit.server import ServerOptions, TritonServer, ensure_environment
from tritonkit.spec.errors import GateError, UnavailableError

if TYPE_CHECKING:
    from builder.golden import Golden
    from tritonkit.repository.publish import Candidate


def try_candidate(candidate: Candidate) -> None:
    """Loads `candidate` in a server of its own and asks every question of its golden bundle over gRPC and HTTP.

    Each question is asked once, in its largest batch: the build has asked them in all.

    Raises:
        GateError: it does not load, or an answer is not the proven one.
        UnavailableError: this machine cannot run the server.
    """
    manifest = candidate.manifest
    golden = _asked_once(read_golden(candidate.version_folder / GOLDEN))
    _require_local_server(manifest.target)
    options = ServerOptions(repository=candidate.repository, models=(manifest.name,), release=manifest.target)
    try:
        with TritonServer(options) as server:
            comparisons = [
                *ask_server(golden, server.grpc_url, "grpc"),
                *ask_server(golden, server.http_url, "http"),
            ]
    except ClientError as error:
        raise GateError("the model loads and does not answer", where=manifest.name, got=error) from error
    except UnavailableError as error:
        # The machine can run a server: what ends this one, or keeps it from getting ready, is the candidate.
        raise GateError(error.what, where=error.where, got=error.got, log_path=error.log_path) from error
    failed = parity_report(golden, comparisons, asked="its trial", server="").first_problem()
    if failed is not None:
        raise GateError(
            f"{failed.output} is not what was proven ({failed.level}, {failed.protocol})",
            where=failed.model,
            got=failed.problem,
        )


def _require_local_server(release: str) -> None:
    try:
        ensure_environment(release)
    except UnavailableError as error:
        hint = "the trial needs a local Triton; --no-trial leaves it out"
        raise UnavailableError(error.what, where=error.where, got=error.got, hint=hint) from error


def _asked_once(golden: Golden) -> Golden:
    questions = tuple(
        question.model_copy(update={"batches": (max(question.batches),)}) for question in golden.bundle.questions
    )
    return replace(golden, bundle=golden.bundle.model_copy(update={"questions": questions}))
