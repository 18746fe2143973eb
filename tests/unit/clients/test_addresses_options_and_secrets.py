"""Addresses and options that have no meaning are refused; secrets are shown nowhere."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytest

from clients import (
    TLS,
    AsyncClient,
    Client,
    ClientError,
    DeadlineError,
    DeniedError,
    InvalidRequestError,
    RestrictedKey,
    Timeout,
    errors,
)
from clients.addresses import parse_address
from clients.messages import Exchange, Fault, Headers, InferRequest, Message, Tensor
from clients.testing import Code, FakeModel, FakeTransport
from clients.transports.http_messages import HttpRequest, http_request


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("grpc://host", "grpc://host:8001"),
        ("http://host", "http://host:8000"),
        ("https://host:443/triton/", "https://host:443/triton"),
        ("grpcs://[::1]:8001", "grpcs://[::1]:8001"),
    ],
)
def test_addresses(url: str, text: str) -> None:
    assert str(parse_address(url)) == text


@pytest.mark.parametrize(
    "url",
    ["host:8001", "ftp://host", "grpc://", "grpc://host/path", "http://host?a=b", "http://host:x", "http://u:p@host"],
)
def test_addresses_without_meaning(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_address(url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("urls", "options"),
    [
        ([], {}),
        (["grpc://a", "http://b"], {}),
        ("grpc://a", {"tls": TLS()}),
        ("grpc://a", {"compression": "br"}),
        ("grpc://a", {"shared_memory": "disk"}),
        (["grpc://a", "grpc://b"], {"shared_memory": "system"}),
        ("grpc://a", {"timeout": 0}),
        ("grpc://a", {"headers": {"a b": "c"}}),
        ("grpc://a", {"headers": {"a": "b\r\nc: d"}}),
    ],
)
def test_options_without_meaning(urls: str, options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Client(urls, **options)
    with pytest.raises(ValueError):
        AsyncClient(urls, **options)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ValueError):
        TLS(certificate="a.pem")


SECRET = "hunter2-very-secret"
ECHO = FakeModel(inputs={"x": ("FP32", (1,))}, outputs={"y": ("FP32", (1,))}, answer=lambda i: {"y": i["x"]})


class Recording(FakeTransport):
    def send(self, message: Message, exchange: Exchange) -> object:
        if isinstance(message, InferRequest):
            self.headers = exchange.headers
            self.shown = repr(exchange)
        return FakeTransport.send(self, message, exchange)


def test_credentials_travel_and_are_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = Recording({"m": ECHO})
    key = RestrictedKey("admin-key", SECRET)
    client = Client("grpc://fake", transport=transport, token=lambda: SECRET, restricted_key=key)
    x = {"x": np.ones(1, np.float32)}
    client.infer("m", x, headers={"X-Own": "1"})
    assert transport.headers == (
        ("triton-grpc-protocol-admin-key", SECRET),
        ("authorization", f"Bearer {SECRET}"),
        ("x-own", "1"),
    )
    transport.fail(Fault(Code.PERMISSION_DENIED, "no"))
    with pytest.raises(PermissionError) as caught:
        client.infer("m", x)
    inner = (repr(client._plans._options), transport.shown, repr(_http_request(transport.headers)))
    outer = (repr(client), repr(key), str(caught.value), repr(caught.value), caplog.text, repr(TLS(ca="a")))
    for shown in (*inner, *outer):
        assert SECRET not in shown
    assert "authorization" in transport.shown, "the names may be seen"
    with pytest.raises(ValueError) as refused:
        Client("grpc://fake", headers={"key": SECRET + "\n"})
    assert SECRET not in str(refused.value)


def _http_request(headers: Headers) -> HttpRequest:
    tensor = Tensor("x", "FP32", (1,), b"1234")
    return http_request("", InferRequest("m", (tensor,)), Exchange(1.0, headers, "gzip"))


def test_a_token_that_would_add_a_header_is_refused() -> None:
    client = Client("grpc://fake", transport=FakeTransport({"m": ECHO}), token="a\r\nb: c")
    with pytest.raises(ValueError):
        client.live()


def test_over_http_the_restricted_key_has_no_prefix() -> None:
    transport = Recording({"m": ECHO})
    client = Client("http://fake", transport=transport, restricted_key=RestrictedKey("admin-key", "s"))
    client.infer("m", {"x": np.ones(1, np.float32)})
    assert transport.headers == (("admin-key", "s"),)


def test_errors_are_pythons_own_too_and_survive_pickling() -> None:
    error = DeniedError("what", where="where", got=1, expected=2, hint="hint", model="m", endpoint="e", attempt=2)
    assert isinstance(error, PermissionError)
    assert isinstance(DeadlineError("late"), TimeoutError)
    assert str(error) == "where: what; got 1; expected 2; hint; after 2 attempts"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.model, copy.attempt) == (str(error), "m", 2)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and name.endswith("Error")}
    assert all(name in (errors.__doc__ or "") for name in classes)
    assert all(issubclass(getattr(errors, name), ClientError) for name in classes)


def test_the_answer_says_where_it_came_from() -> None:
    client = Client("grpc://fake", transport=FakeTransport({"m": ECHO}), timeout=Timeout(call=2))
    answer = client.infer("m", {"x": np.ones(1, np.float32)}, request_id="7")
    assert (answer.model, answer.version, answer.request_id, answer.endpoint) == ("m", "1", "7", "grpc://fake:8001")
    assert answer.timing.total >= answer.timing.exchange > 0
    assert dict(answer) == answer.arrays
    with pytest.raises(KeyError, match="this answer has y"):
        answer["z"]
    with pytest.raises(ValueError, match="read-only"):
        answer["y"][0] = 2


def test_a_closed_client_says_so() -> None:
    transport = FakeTransport({"m": ECHO})
    client = Client("grpc://fake", transport=transport)
    x = {"x": np.ones(1, np.float32)}
    client.infer("m", x)
    client.close()
    client.close()
    seen = len(transport.requests)
    for call in (
        lambda: client.infer("m", x),
        lambda: list(client.stream("m", x)),
        client.ready,
        lambda: client.sequence("m").infer(x),
        lambda: list(client.infer_many("m", [x])),
    ):
        with pytest.raises(InvalidRequestError, match="the client is closed"):
            call()
    assert len(transport.requests) == seen


def test_an_answer_that_cannot_be_read() -> None:
    class Broken(FakeTransport):
        def send(self, message: Message, exchange: Exchange) -> object:
            reply = FakeTransport.send(self, message, exchange)
            if isinstance(message, InferRequest):
                return reply._replace(outputs=(reply.outputs[0]._replace(shape=(3,)),))
            return reply

    with pytest.raises(errors.ProtocolError, match="output 'y'"):
        Client("grpc://fake", transport=Broken({"m": ECHO})).infer("m", {"x": np.ones(1, np.float32)})


def test_a_server_that_keeps_its_configuration_to_itself() -> None:
    class Careful(FakeTransport):
        def _control(self, request: object) -> dict[str, object]:
            if request.action.value == "model_config":
                raise Fault(Code.UNAVAILABLE, "This protocol is restricted, expecting header 'k'")
            return FakeTransport._control(self, request)

    client = Client("grpc://fake", transport=Careful({"m": ECHO}))
    assert client.infer("m", {"x": np.ones(1, np.float32)})["y"] == 1
    with pytest.raises(InvalidRequestError):
        client.infer("m", {"x": np.ones(1, np.float64)})
