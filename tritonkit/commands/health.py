"""`tritonkit health`: is the server alive, ready, and which of its models are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clients import Client, ClientError
from tritonkit.commands import console, exit_codes
from tritonkit.commands.calling import add_server_arguments, client_errors, client_options, server_urls

if TYPE_CHECKING:
    import argparse

    from clients import IndexEntry

EXAMPLE = "tritonkit health grpc://127.0.0.1:8001"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `tritonkit health`."""
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what each address says of itself; exit code 0 if every server is ready, 1 if one is not."""
    with client_errors():
        documents = [_ask(url, args) for url in server_urls(args)]
    if args.json:
        console.print_json(documents)
    else:
        for document in documents:
            console.emit(_text(document))
    return exit_codes.OK if all(document["ready"] for document in documents) else exit_codes.NO


def _ask(url: str, args: argparse.Namespace) -> dict[str, Any]:
    with Client(url, **client_options(args)) as client:
        live, ready = client.live(), client.ready()
        return {"url": url, "live": live, "ready": ready, "models": _models(client) if live else []}


def _models(client: Client) -> list[dict[str, str]]:
    try:
        return [_entry(entry) for entry in client.repository_index()]
    except ClientError:
        # A careful server keeps its index to administrators; its own readiness is the answer.
        return []


def _entry(entry: IndexEntry) -> dict[str, str]:
    return {"name": entry.name, "version": entry.version, "state": entry.state or "NOT LOADED", "reason": entry.reason}


def _text(document: dict[str, Any]) -> str:
    state = "ready" if document["ready"] else "live, not ready" if document["live"] else "not reachable"
    lines = [f"{document['url']}  {state}"]
    if document["models"]:
        rows = [[model["name"], model["version"], model["state"], model["reason"]] for model in document["models"]]
        lines.append(console.table(["model", "version", "state", "reason"], rows))
    return "\n".join(lines)
