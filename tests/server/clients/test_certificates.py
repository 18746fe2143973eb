"""TLS and mutual TLS over both protocols. Triton has no HTTPS of its own: a proxy before it speaks TLS."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import TLS, AsyncClient, Client, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tritonkit.server import TritonServer

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificates are made by the openssl program"),
]
ROW = {"x": np.ones((1, 4), np.float32)}
NAME = "triton.test"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates that it signed: the server's, for a name, and a client's."""
    folder = tmp_path_factory.mktemp("pki")
    new_key = ["req", "-newkey", "rsa:2048", "-nodes"]
    _openssl(folder, *new_key, "-x509", "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "server.ext").write_text(f"subjectAltName=DNS:{NAME}\n")
    (folder / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    for who in ("server", "client"):
        _openssl(folder, *new_key, "-subj", f"/CN={who}", "-keyout", f"{who}.key", "-out", f"{who}.csr")
        sign = ["x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        _openssl(folder, *sign, "-days", "2", "-extfile", f"{who}.ext", "-out", f"{who}.pem")
    return folder


@pytest.fixture
def secure_url(
    protocol: str,
    pki: Path,
    server: TritonServer,
    own_server: Callable[..., TritonServer],
    proxies: Callable[..., object],
) -> str:
    """A server that demands a client's certificate."""
    if protocol == "grpc":
        flags = ("--grpc-use-ssl=true", "--grpc-use-ssl-mutual=true")
        files = (f"--grpc-server-cert={pki}/server.pem", f"--grpc-server-key={pki}/server.key")
        own = own_server("echo", extra_flags=(*flags, *files, f"--grpc-root-cert={pki}/ca.pem"))
        return own.grpc_url.replace("grpc://", "grpcs://")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    context.load_verify_locations(pki / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return f"https://127.0.0.1:{proxies(server.http_url, context).port}"


def test_mutual_tls(secure_url: str, pki: Path) -> None:
    both = TLS(ca=pki / "ca.pem", certificate=pki / "client.pem", key=pki / "client.key", server_name=NAME)
    with Client(secure_url, tls=both) as client:
        for _ in range(3):
            assert client.infer("echo", ROW)["y"].sum() == 4

    async def main() -> None:
        async with AsyncClient(secure_url, tls=both) as client:
            assert (await client.infer("echo", ROW))["y"].sum() == 4

    asyncio.run(main())

    for tls in (
        TLS(ca=pki / "ca.pem", server_name=NAME),
        TLS(certificate=pki / "client.pem", key=pki / "client.key", server_name=NAME),
        TLS(ca=pki / "ca.pem", certificate=pki / "client.pem", key=pki / "client.key", server_name="other.test"),
    ):
        with Client(secure_url, tls=tls, timeout=2.0) as client, pytest.raises(UnavailableError) as caught:
            client.infer("echo", ROW)
        assert str(pki / "client.key") not in str(caught.value)


def test_a_missing_certificate_file_is_told_when_the_client_is_made(protocol: str) -> None:
    with pytest.raises(FileNotFoundError):
        Client(f"{protocol}s://127.0.0.1:1", tls=TLS(ca="missing.pem"))
