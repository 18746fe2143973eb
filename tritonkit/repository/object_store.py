"""A model repository in an object store: immutable objects, written once each, and one that is swapped if unchanged.

There are no renames and no locks. So every object but the ensemble's `config.pbtxt` is created under a name of its own,
on the condition that it is not there yet; that one file is replaced on the condition that it is still what was read.
Of two publishers, whose writes may mix in any order, one gets through and the other is told.

obstore does the transfers: one small library for S3 and Google's store alike whose writes take exactly these conditions
(`s3fs` knows the first only, and pins a client of Amazon's).
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tritonkit.repository.layout import CONFIG, MANIFEST, PUBLISHED
from tritonkit.repository.stored import Listing, Stored
from tritonkit.spec.errors import ConflictError, InputError, UnavailableError

try:
    import obstore
    from obstore import exceptions
    from obstore.store import GCSStore, S3Store
except ImportError as missing:
    raise UnavailableError("object stores need obstore", got=missing, hint="pip install 'tritonkit[store]'") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from obstore import PutMode

_IN_ONE_WRITE = 64 * 2**20
"""Larger files go in parts, which no store writes conditionally: they are written after a look, not with one."""


class ObjectStore:
    """The repository at `s3://…` or `gs://…`. Credentials are looked for where Triton looks for them."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        bucket, self._prefix = _bucket_and_prefix(self._address)
        self._store = bucket

    @property
    def address(self) -> str:
        """The address, as the user said it."""
        return self._address

    @contextlib.contextmanager
    def publisher(self) -> Iterator[Path]:
        """Yields a temporary folder on this machine; who else publishes shows when something is written."""
        try:
            with tempfile.TemporaryDirectory(prefix="tritonkit-") as folder:
                yield Path(folder)
        except OSError as error:
            raise UnavailableError(
                "this machine cannot hold a copy of the candidate", where=error.filename, got=error.strerror or error
            ) from error

    def list(self, path: str) -> Listing:
        """What lies directly in the folder `path`; nothing where there is none."""
        below = f"{self._key(path)}/"
        with _said_plainly(self._address):
            found = obstore.list_with_delimiter(self._store, below)
        return Listing(
            files=tuple(sorted(entry["path"].removeprefix(below) for entry in found["objects"])),
            folders=tuple(sorted(folder.rstrip("/").removeprefix(below) for folder in found["common_prefixes"])),
        )

    def read(self, path: str) -> Stored | None:
        """The object at `path`; `None` where there is none."""
        try:
            with _said_plainly(self._address):
                result = obstore.get(self._store, self._key(path))
                data = bytes(result.bytes())
        except FileNotFoundError:
            return None
        return Stored(data=data, e_tag=result.meta["e_tag"], generation=result.meta["version"])

    def put_folder(self, source: Path, path: str) -> None:
        """Creates an object for each file of `source`; objects of equal content that are there stay.

        A version's manifest goes first, which takes the number; the ledger's line goes last but for a configuration,
        and says that the version is whole.

        Raises:
            ConflictError: other content is there.
        """
        files = [file for file in sorted(source.rglob("*")) if file.is_file()]
        for file in sorted(files, key=lambda file: _turn(file.relative_to(source))):
            self._create(file, f"{path}/{file.relative_to(source).as_posix()}")

    def replace(self, path: str, data: bytes, before: Stored | None) -> None:
        """One conditional write.

        Raises:
            ConflictError: that is no longer what is there.
        """
        mode: PutMode = "create"
        if before is not None:
            mode = {"e_tag": before.e_tag}
            if before.generation is not None:
                mode["version"] = before.generation
        try:
            with _said_plainly(self._address):
                obstore.put(self._store, self._key(path), data, mode=mode)
        except (exceptions.PreconditionError, exceptions.AlreadyExistsError):
            raise ConflictError(
                "another publisher was first",
                where=f"{self._address}/{path}",
                hint="nothing that is served was changed; publish again to serve this one after it",
            ) from None

    def remove(self, path: str) -> None:
        """Deletes the object at `path` and every one below it."""
        with _said_plainly(self._address):
            # A prefix counts whole names: `a/1` lists what lies below it, neither itself nor `a/10`.
            keys = [entry["path"] for batch in obstore.list(self._store, self._key(path)) for entry in batch]
            for key in keys or [self._key(path)]:
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self._store, key)

    def as_folder(self, paths: Sequence[str], scratch: Path) -> Path:
        """Copies these objects, and all below them, into `scratch`."""
        with _said_plainly(self._address):
            for path in paths:
                for batch in obstore.list(self._store, self._key(path)):
                    for entry in batch:
                        self._fetch(entry["path"], scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch

    def set_aside(self, source: Path, label: str) -> str:
        """Puts `source` under a prefix beside the repository's."""
        place = f"{self._prefix}.quarantine/{label}"
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            with _said_plainly(self._address):
                obstore.put(self._store, f"{place}/{file.relative_to(source).as_posix()}", file)
        return f"{self._address.removesuffix(self._prefix)}{place}"

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if path else self._prefix

    def _create(self, file: Path, path: str) -> None:
        mode: PutMode = "create" if file.stat().st_size <= _IN_ONE_WRITE else "overwrite"
        try:
            with _said_plainly(self._address):
                if mode == "overwrite":
                    self._require_absent(path)
                obstore.put(self._store, self._key(path), file, mode=mode)
        except exceptions.AlreadyExistsError:
            if self._digest(path) != _file_digest(file):
                raise ConflictError(
                    "this name is taken by other content, or another publisher takes it at this moment",
                    where=f"{self._address}/{path}",
                    hint="nothing that is served was changed; publish again",
                ) from None

    def _require_absent(self, path: str) -> None:
        try:
            obstore.head(self._store, self._key(path))
        except FileNotFoundError:
            return
        raise exceptions.AlreadyExistsError(path)

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        with _said_plainly(self._address):
            for chunk in obstore.get(self._store, self._key(path)):
                digest.update(chunk)
        return digest.hexdigest()

    def _fetch(self, key: str, scratch: Path) -> None:
        below = Path(key.removeprefix(f"{self._prefix}/"))
        if ".." in below.parts:
            raise InputError("an object's name leads out of its folder", where=f"{self._address}/{below}")
        target = scratch / below
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            for chunk in obstore.get(self._store, key):
                stream.write(chunk)


def _turn(path: Path) -> tuple[int, str]:
    """When a file of a folder is written: what takes a number first, what makes it whole after all else."""
    if path.parts == (CONFIG,):
        return (3, "")
    return ({MANIFEST: 0, PUBLISHED: 2}.get(path.name, 1), path.as_posix())


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _bucket_and_prefix(address: str) -> tuple[Any, str]:
    """The bucket's client, and where in the bucket the repository lies.

    Triton writes another endpoint into the address: `s3://https://HOST:PORT/BUCKET/PREFIX`, `s3://HOST:PORT/…` for https.

    Raises:
        InputError: the address has no meaning.
    """
    scheme, _, rest = address.partition("://")
    endpoint = None
    if rest.startswith(("http://", "https://")):
        parts = urlsplit(rest)
        endpoint, rest = f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
    elif ":" in rest.partition("/")[0]:
        host, _, rest = rest.partition("/")
        endpoint = f"https://{host}"
    bucket, _, prefix = rest.partition("/")
    prefix = "/".join(part for part in prefix.split("/") if part)
    if not bucket or (endpoint and scheme != "s3"):
        raise InputError(
            "this is no repository in an object store",
            got=address,
            expected="s3://BUCKET/PREFIX, s3://https://HOST:PORT/BUCKET/PREFIX or gs://BUCKET/PREFIX",
        )
    if not prefix:
        raise InputError(
            "a repository needs a prefix of its own", got=address, expected=f"{address}/PREFIX",
            hint="beside it lies what was rejected",
        )  # fmt: skip
    if scheme == "gs":
        return GCSStore(bucket), prefix
    if endpoint is None:
        return S3Store(bucket), prefix
    plain = {"allow_http": True} if endpoint.startswith("http://") else {}
    return S3Store(
        bucket,
        endpoint=endpoint,
        virtual_hosted_style_request=False,
        client_options=plain,  # type: ignore[arg-type]
    ), prefix


@contextlib.contextmanager
def _said_plainly(address: str) -> Iterator[None]:
    """What a store answers to a wrong key or a missing bucket, as an error of the kit's."""
    try:
        yield
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise
    except (exceptions.BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
            raise
        raise UnavailableError(
            "the object store refused",
            where=address,
            got=str(error).partition("\n")[0][:300],
            hint="are the credentials in the environment, and is the bucket there?",
        ) from error
