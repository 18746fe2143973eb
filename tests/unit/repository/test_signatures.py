"""A signature says whose a candidate is, before publication and before every load, without a network."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.candidates import NAME, make_candidate, seal_again
from tritonkit.commands.front_door import main
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.repository.signing import Signer, Trust, check_signature, sign
from tritonkit.repository.verify import verify_repository
from tritonkit.spec.errors import GateError, InputError


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two pairs of keys, `ours` and `theirs`, as PEM files; the private key of `locked` has a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name, lock in (("ours", None), ("theirs", None), ("locked", b"open sesame")):
        key = ec.generate_private_key(ec.SECP256R1())
        encryption = serialization.BestAvailableEncryption(lock) if lock else serialization.NoEncryption()
        (folder / f"{name}.pem").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )
        (folder / f"{name}.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    return folder


@pytest.fixture
def candidate(tmp_path):
    return make_candidate(tmp_path / "candidate", 1)


@pytest.fixture
def signed(candidate, keys):
    sign(candidate / NAME / "1", Signer(private_key=keys / "ours.pem"))
    return candidate


@pytest.fixture
def ours(keys):
    return Trust(public_key=keys / "ours.pub")


def test_a_signed_candidate_is_published_and_its_signature_holds_there(signed, ours, tmp_path):
    publish(check_candidate(signed), tmp_path / "models", trust=ours)
    assert [model.version for model in verify_repository(tmp_path / "models", ours)] == [1]


def test_without_a_demand_nobody_needs_a_signature(candidate, tmp_path):
    assert publish(check_candidate(candidate), tmp_path / "models").version == 1


def test_a_candidate_that_is_not_signed_is_refused(candidate, ours, tmp_path):
    with pytest.raises(GateError, match="not signed"):
        publish(check_candidate(candidate), tmp_path / "models", trust=ours)
    assert not (tmp_path / "models").exists()


def test_another_key_is_refused(signed, keys, tmp_path):
    with pytest.raises(GateError, match="Key mismatch"):
        publish(check_candidate(signed), tmp_path / "models", trust=Trust(public_key=keys / "theirs.pub"))
    assert not (tmp_path / "models").exists()


def test_a_signature_of_another_candidate_is_refused(signed, ours, keys, tmp_path):
    other = make_candidate(tmp_path / "other", 2)
    sign(other / NAME / "1", Signer(private_key=keys / "ours.pem"))
    (other / NAME / "1" / "manifest.sig").replace(signed / NAME / "1" / "manifest.sig")
    with pytest.raises(GateError, match="not of this manifest"):
        publish(check_candidate(signed), tmp_path / "models", trust=ours)


@pytest.mark.parametrize("content", [b"", b"{}", b"no JSON"])
def test_a_signature_that_is_none_is_refused(signed, ours, content):
    (signed / NAME / "1" / "manifest.sig").write_bytes(content)
    with pytest.raises(GateError, match="not of this manifest"):
        check_signature(signed / NAME / "1", ours)


def test_a_folder_that_was_added_and_sealed_again_is_refused(signed, ours):
    """The list of folders is signed: the library alone would not see this."""
    part = check_candidate(signed).manifest.parts[1].name
    (signed / part / "configs").mkdir()
    seal_again(signed)
    check_candidate(signed)
    with pytest.raises(GateError, match="Hash mismatch"):
        check_signature(signed / NAME / "1", ours)


def test_a_published_version_whose_manifest_was_forged_is_found(signed, ours, keys, tmp_path):
    publish(check_candidate(signed), tmp_path / "models", trust=ours)
    sign(tmp_path / "models" / NAME / "1", Signer(private_key=keys / "theirs.pem"))
    verify_repository(tmp_path / "models")
    with pytest.raises(GateError, match="Key mismatch"):
        verify_repository(tmp_path / "models", ours)


def test_the_commands_sign_demand_and_verify(candidate, keys, tmp_path, capsys):
    repository = str(tmp_path / "models")
    demand = ["--public-key", str(keys / "ours.pub")]
    publication = ["publish", str(candidate), "--to", repository, "--no-trial", *demand]
    assert main(publication) == 1
    assert "the manifest is not signed" in capsys.readouterr().err
    assert main(["sign", str(candidate), "--key", str(keys / "ours.pem")]) == 0
    assert main(publication) == 0
    assert main(["verify", repository, *demand]) == 0
    assert main(["verify", repository, "--model", NAME, *demand]) == 0
    assert main(["verify", repository, "--public-key", str(keys / "theirs.pub")]) == 1


def test_a_passphrase_comes_from_the_environment_and_shows_nowhere(candidate, keys, monkeypatch, capsys):
    arguments = ["sign", str(candidate), "--key", str(keys / "locked.pem")]
    assert main(arguments) == 2
    monkeypatch.setenv("TRITONKIT_SIGNING_PASSPHRASE", "wrong word")
    assert main(arguments) == 2
    monkeypatch.setenv("TRITONKIT_SIGNING_PASSPHRASE", "open sesame")
    assert main(arguments) == 0
    check_signature(candidate / NAME / "1", Trust(public_key=keys / "locked.pub"))
    said = "".join(capsys.readouterr())
    assert "wrong word" not in said
    assert "open sesame" not in said
    assert "open sesame" not in repr(Signer(private_key=keys / "locked.pem", passphrase="open sesame"))


@pytest.mark.parametrize("key", ["nowhere.pem", "ours.pub"])
def test_a_key_that_is_none_is_said_plainly(candidate, keys, key):
    with pytest.raises(InputError, match="does not sign"):
        sign(candidate / NAME / "1", Signer(private_key=keys / key))


def test_a_public_key_that_is_none_is_said_plainly(signed, tmp_path):
    (tmp_path / "key").write_text("no key")
    with pytest.raises(InputError, match="no public key"):
        check_signature(signed / NAME / "1", Trust(public_key=tmp_path / "key"))


def test_two_ways_to_trust_are_one_too_many(signed, keys, capsys):
    ways = ["--public-key", str(keys / "ours.pub"), "--identity", "a@example.org", "--issuer", "https://example.org"]
    assert main(["verify", str(signed), *ways]) == 2
    assert "more than one" in capsys.readouterr().err


def test_the_librarys_own_program_verifies_it_too(signed, keys):
    folder = signed / NAME / "1"
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder / "manifest.json")]
    done = subprocess.run(
        [*command, "--signature", str(folder / "manifest.sig"), "--public_key", str(keys / "ours.pub")],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_certificate_vouches_for_the_signer(candidate, tmp_path):
    """Root -> signing certificate; a root that vouched for nobody is refused."""
    root_key, root = _certificate(tmp_path, "root")
    _, other = _certificate(tmp_path, "other root")
    key, certificate = _certificate(tmp_path, "signer", issuer=(root_key, root))
    assert main(["sign", str(candidate), "--key", str(key), "--certificate", str(certificate)]) == 0
    check_signature(candidate / NAME / "1", Trust(roots=(root,)))
    with pytest.raises(GateError, match="not of this manifest"):
        check_signature(candidate / NAME / "1", Trust(roots=(other,)))


@pytest.mark.parametrize("token", [None, "no token at all"])
def test_signing_without_a_key_needs_sigstore_and_says_so(candidate, token):
    """Whether or not this machine has a network: nobody vouches for whoever runs the tests."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"} | nowhere
    if token is not None:
        environment["TRITONKIT_IDENTITY_TOKEN"] = token
    done = subprocess.run(
        [sys.executable, "-m", "tritonkit", "sign", str(candidate), "--keyless"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env=environment | {"BROWSER": "true"},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Sigstore did not sign" in done.stderr
    assert "--key signs without either" in done.stderr
    assert not token or token not in done.stderr + done.stdout
    assert not (candidate / NAME / "1" / "manifest.sig").exists()


def test_a_certificate_without_its_key_is_refused(candidate, tmp_path, capsys):
    assert main(["sign", str(candidate), "--keyless", "--certificate", str(tmp_path / "c.crt")]) == 2
    assert "a certificate is that of a key" in capsys.readouterr().err


def _certificate(folder, name, issuer=None):
    """A key and its certificate, by `issuer` or by itself, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer_key, issuer_name = key, subject
    if issuer is not None:
        issuer_key = serialization.load_pem_private_key(issuer[0].read_bytes(), None)
        issuer_name = x509.load_pem_x509_certificate(issuer[1].read_bytes()).subject
    now = dt.datetime.now(dt.UTC)
    is_root = issuer is None
    usage = {
        "digital_signature": True,
        "key_cert_sign": is_root,
        "crl_sign": is_root,
        **dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False),
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if not is_root:
        code_signing = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(code_signing, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    files = folder / f"{name}.pem", folder / f"{name}.crt"
    files[0].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return files
