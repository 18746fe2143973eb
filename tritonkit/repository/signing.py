"""Signatures of candidates, by OpenSSF model-signing: the format of Sigstore, with a key, a certificate or an identity.

What is signed is `manifest.json`. It holds the digest of every file *and* the list of every folder, so that the one
signature also covers an added empty folder, which no list of files shows and which keeps Triton from starting. The
signature lies beside it and stays valid in every repository that the candidate is published into; the library's own
program reads and writes it too:

    model_signing verify key manifest.json --signature manifest.sig --public_key key.pub
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tritonkit.repository.layout import MANIFEST, SIGNATURE
from tritonkit.spec.errors import GateError, InputError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs: a private key, alone or with the certificate that vouches for it; or an identity, without a key.

    Attributes:
        private_key: PEM file of an elliptic key on P-256, P-384 or P-521; `None` signs with Sigstore, which needs the
            network: the identity is that of `identity_token`, of the machine that builds, or of whoever logs in.
        passphrase: of that file; `None` where it is not encrypted. The library takes none beside a certificate.
        certificate: PEM file of the key's certificate.
        chain: PEM files of the certificates between that one and a root.
        identity_token: an OpenID Connect token, for signing without a key.
    """

    private_key: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()
    identity_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom a signature must be from; exactly one of the three.

    Attributes:
        public_key: PEM file of the public key. Verified without a network.
        roots: PEM files of the certificates that must have vouched for the signer. Verified without a network.
        identity: the signer's identity with Sigstore, such as an e-mail address, and its OpenID Connect issuer.
    """

    public_key: Path | None = None
    roots: tuple[Path, ...] = ()
    identity: tuple[str, str] | None = None


def sign(version_folder: Path, signer: Signer) -> Path:
    """Signs the manifest in `version_folder` and returns the signature's file; an older signature is replaced.

    Raises:
        InputError: there is no manifest, or the key or certificate cannot be read.
        UnavailableError: model-signing is not installed, or Sigstore cannot be reached or does not know the identity.
    """
    config = _library().signing.Config()
    if not (version_folder / MANIFEST).is_file():
        raise InputError("there is nothing to sign", where=version_folder / MANIFEST)
    staged = version_folder / f".{SIGNATURE}"
    if signer.private_key is None:
        _sign_keyless(config, version_folder / MANIFEST, staged, signer.identity_token)
    else:
        _sign_by_key(config, version_folder / MANIFEST, staged, signer)
    staged.replace(version_folder / SIGNATURE)
    return version_folder / SIGNATURE


def _sign_by_key(config: Any, manifest: Path, staged: Path, signer: Signer) -> None:
    try:
        if signer.certificate is None:
            config.use_elliptic_key_signer(
                private_key=signer.private_key,
                # The library hands it to `cryptography` as it is, which takes bytes.
                password=None if signer.passphrase is None else signer.passphrase.encode(),
            )
        else:
            config.use_certificate_signer(
                private_key=signer.private_key,
                signing_certificate=signer.certificate,
                # The library cannot read an empty chain; the certificate itself adds nothing to it.
                certificate_chain=signer.chain or (signer.certificate,),
            )
        config.sign(manifest, staged)
    except (OSError, ValueError, TypeError) as error:
        raise InputError("this key does not sign", where=signer.private_key, got=_reason(error)) from None


def _sign_keyless(config: Any, manifest: Path, staged: Path, token: str | None) -> None:
    try:
        config.use_sigstore_signer(identity_token=token, use_ambient_credentials=token is None)
        config.sign(manifest, staged)
    except Exception as error:  # noqa: BLE001 - the library raises whatever its network and its parsers raise
        raise UnavailableError(
            "Sigstore did not sign",
            got=_reason(error),
            hint="it needs the network and an identity; --key signs without either",
        ) from None


def check_signature(version_folder: Path, trust: Trust) -> None:
    """Checks that the manifest in `version_folder` was signed by whom `trust` names.

    It says nothing of the other files: those are held against the manifest (`check_candidate`, `verify`).

    Raises:
        GateError: it is not signed, or by somebody else, or was changed since.
        InputError: a key or certificate of `trust` cannot be read.
        UnavailableError: model-signing is not installed.
    """
    signature = version_folder / SIGNATURE
    if not signature.is_file():
        raise GateError("the manifest is not signed", where=signature, hint="tritonkit sign signs a candidate")
    verifier = _verifier(trust)
    try:
        verifier.verify(version_folder / MANIFEST, signature)
    except Exception as error:  # noqa: BLE001 - the library raises whatever its parsers and its cryptography raise
        raise GateError(
            "the signature is not of this manifest by whom was asked for", where=signature, got=_reason(error)
        ) from None


def _verifier(trust: Trust) -> Any:
    config = _library().verifying.Config()
    try:
        if trust.public_key is not None:
            return config.use_elliptic_key_verifier(public_key=trust.public_key)
        if trust.roots:
            return config.use_certificate_verifier(certificate_chain=trust.roots)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError("this is no public key or certificate", where=trust.public_key, got=_reason(error)) from None
    if trust.identity is None:
        raise InputError("whom must the signature be from?", expected="a public key, a root certificate or an identity")
    identity, issuer = trust.identity
    return config.use_sigstore_verifier(identity=identity, oidc_issuer=issuer)


def _library() -> Any:
    try:
        import model_signing  # noqa: PLC0415 - an extra; it takes a second to import
        import model_signing.signing  # noqa: PLC0415
        import model_signing.verifying  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            "signatures need OpenSSF model-signing", got=error, hint="pip install 'tritonkit[signing]'"
        ) from None
    return model_signing


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
