"""`tritonkit metadata`: what a server is, what it serves, and what a model takes and gives."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clients import Client
from tritonkit.commands import console, exit_codes
from tritonkit.commands.calling import add_server_arguments, client_errors, client_options, server_urls

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit metadata grpc://127.0.0.1:8001 efficientnet_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `tritonkit metadata`."""
    add_server_arguments(parser)
    parser.add_argument("model", nargs="?", help="a model's name; without it, the server and its models")
    parser.add_argument("--model-version", default="", metavar="N", help="default: the server's choice")


def run(args: argparse.Namespace) -> int:
    """Prints the metadata of the server, or of one of its models."""
    with client_errors(), Client(server_urls(args)[0], **client_options(args)) as client:
        document = _model(client, args.model, args.model_version) if args.model else _server(client)
    if args.json:
        console.print_json(document)
    else:
        console.emit(_model_text(document) if args.model else _server_text(document))
    return exit_codes.OK


def _server(client: Client) -> dict[str, Any]:
    return {
        **asdict(client.server_metadata()),
        "models": [asdict(entry) for entry in client.repository_index()],
    }


def _server_text(document: dict[str, Any]) -> str:
    rows = [[entry["name"], entry["version"], entry["state"] or "NOT LOADED"] for entry in document["models"]]
    return f"{document['name']} {document['version']}\n{console.table(['model', 'version', 'state'], rows)}"


def _model(client: Client, model: str, version: str) -> dict[str, Any]:
    return {
        **asdict(client.metadata(model, version)),
        "max_batch_size": client.config(model, version).get("max_batch_size", 0),
    }


def _model_text(document: dict[str, Any]) -> str:
    rows = [
        [kind, tensor["name"], tensor["datatype"], list(tensor["shape"])]
        for kind in ("input", "output")
        for tensor in document[f"{kind}s"]
    ]
    batch = document["max_batch_size"]
    batches = f"batches up to {batch} (first dimension)" if batch else "does not batch"
    heading = f"{document['name']}, versions {', '.join(document['versions'])}, {document['platform']}, {batches}"
    return f"{heading}\n{console.table(['', 'name', 'type', 'shape'], rows)}"
