"""Built engines, by all that they depend on; safe under several builders, kills and damaged disks.

CACHE/
    engines/KEY/model.plan      the engine; model.rtx if it is TensorRT-RTX's
    engines/KEY/engine.json     what it depends on, its digest, how it was built; its mtime is the last use
    locks/KEY                   held by the one process that builds
    timing/                     TensorRT's measurements, by library version and GPU

An entry appears whole, by a rename. An engine is native code to whoever loads it: nothing here hands one out unless
its bytes have the digest that its builder wrote down, for the very key that was asked for, in folders that nobody
else may write.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from builder.engines.locking import exclusive
from builder.engines.records import ENGINE_FILES, EngineRecord, key_difference, library_title
from tritonkit.repository.digests import file_digest
from tritonkit.spec.errors import GateError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from builder.engines.records import EngineKey

RECORD = "engine.json"
_BUILDING = ".building-"
_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEngine:
    """An engine in the cache.

    Attributes:
        file: its bytes.
        record: what was written down about it.
        cached: whether it was there already.
        reason: why it was built, if it was.
    """

    file: Path
    record: EngineRecord
    cached: bool
    reason: str | None = None


def find_engine(cache: Path, key: EngineKey) -> CachedEngine | None:
    """The engine with `key`, if it is there and whole; every byte has been read.

    Raises:
        InputError: somebody else may write into the cache.
    """
    folder = _entry(cache, key)
    record = _read_record(folder)
    if record is None or _fault(folder, record, key) is not None:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / RECORD)
    return CachedEngine(file=folder / ENGINE_FILES[key.library], record=record, cached=True)


def obtain_engine(
    cache: Path,
    key: EngineKey,
    build: Callable[[Path, Path], EngineRecord],
    *,
    wait_seconds: float,
    tell: Callable[[str], None],
) -> CachedEngine:
    """The engine with `key`, built if it is not there. Of several processes one builds; the others wait and use it.

    Args:
        cache: the cache's folder; made if need be.
        key: what the engine depends on.
        build: builds it: (an empty folder to work in, the file to write) -> its record.
        wait_seconds: how long to wait for another builder.
        tell: shows a line of progress.

    Raises:
        ConflictError: another process has been building it for longer than that.
        InputError: somebody else may write into the cache.
        KitError: what `build` raises.
    """
    for folder in ("engines", "locks", "timing"):
        (cache / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
    if (found := find_engine(cache, key)) is not None:
        return found
    entry = _entry(cache, key)
    with exclusive(cache / "locks" / entry.name, wait_seconds=wait_seconds, tell=tell):
        if (found := find_engine(cache, key)) is not None:
            return found
        reason = explain_miss(cache, key)
        tell(f"building: {reason}")
        _clear(entry)
        staged = Path(tempfile.mkdtemp(prefix=f"{_BUILDING}{entry.name}-", dir=entry.parent))
        try:
            record = _build_into(staged, key, build)
            (staged / "entry").rename(entry)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return CachedEngine(file=entry / ENGINE_FILES[key.library], record=record, cached=False, reason=reason)


def require_engine(cache: Path, key: EngineKey) -> CachedEngine:
    """The engine with `key`, which must be there already.

    Raises:
        GateError: it is not; says in one line what the nearest engine differs in.
        InputError: somebody else may write into the cache.
    """
    found = find_engine(cache, key)
    if found is None:
        raise GateError("there is no such engine", where=cache, got=explain_miss(cache, key), hint="build it first")
    return found


def explain_miss(cache: Path, key: EngineKey) -> str:
    """Why there is no engine with `key`: what is wrong with the one that should be it, or what the nearest is."""
    entry = _entry(cache, key)
    if entry.exists():
        record = _read_record(entry)
        return "its record is not readable" if record is None else _fault(entry, record, key) or "it has just come"
    records = [record for folder in _entries(cache) if (record := _read_record(folder)) is not None]
    same_model = [record.key for record in records if record.key.onnx_sha256 == key.onnx_sha256]
    if not same_model:
        return "no engine of this ONNX file yet"
    nearest = min((key_difference(key, other) for other in same_model), key=len)
    return f"the nearest engine is for {'; '.join(nearest)}"


def read_verified(engine: CachedEngine) -> bytes:
    """The engine's bytes: the very ones whose digest was checked, for whoever deserialises them.

    Raises:
        GateError: they are not the bytes that were built.
    """
    try:
        content = engine.file.read_bytes()
    except OSError as error:
        raise GateError("this engine has gone from the cache", where=engine.file, got=error, hint="build it") from None
    found = hashlib.sha256(content).hexdigest()
    if found != engine.record.sha256:
        raise GateError(
            "this engine is not the one that was built", where=engine.file, got=found, expected=engine.record.sha256
        )
    return content


def prune_engines(cache: Path, *, unused_days: float | None = None, most_bytes: int | None = None) -> list[Path]:
    """Removes engines that nobody has used for `unused_days`, then the longest unused beyond `most_bytes` in all.

    An engine that is being read stays readable to its reader; one that is being built is never touched.

    Returns:
        The folders that were removed.
    """
    used = sorted(((_last_use(folder), folder) for folder in _entries(cache)), reverse=True)
    removed, total = [], 0
    for when, folder in used:
        total += sum(file.stat().st_size for file in folder.iterdir())
        is_old = unused_days is not None and time.time() - when > unused_days * 86_400
        if is_old or (most_bytes is not None and total > most_bytes):
            _remove(folder)
            removed.append(folder)
    for left in (cache / "engines").glob(".*"):
        # A build takes minutes; what is hidden here for a day was left by a process that was killed.
        if time.time() - left.stat().st_mtime > 86_400:
            shutil.rmtree(left, ignore_errors=True)
    return removed


def timing_cache(cache: Path, key: EngineKey) -> Path:
    """Where the measurements of `key`'s library and GPU are kept; what one build measured speeds up the next."""
    return cache / "timing" / f"{key.library}-{key.version}-{key.compute_capability}.cache"


def read_timing_cache(file: Path) -> bytes | None:
    """The measurements in `file`, if they are whole: its first 32 bytes are the sha256 of the rest."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, rest = content[:32], content[32:]
    return rest if hashlib.sha256(rest).digest() == digest else None


def write_timing_cache(file: Path, content: bytes) -> None:
    """Replaces `file` as a whole. Of two builders at once the later one's measurements stay: only time is lost."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as partial:
        partial.write(hashlib.sha256(content).digest() + content)
    Path(partial.name).replace(file)


def _entry(cache: Path, key: EngineKey) -> Path:
    return cache / "engines" / key.digest()[:_DIGITS]


def _entries(cache: Path) -> Iterator[Path]:
    folder = cache / "engines"
    if folder.is_dir():
        yield from (entry for entry in sorted(folder.iterdir()) if not entry.name.startswith("."))


def _build_into(staged: Path, key: EngineKey, build: Callable[[Path, Path], EngineRecord]) -> EngineRecord:
    work, entry = staged / "work", staged / "entry"
    work.mkdir()
    entry.mkdir()
    engine = entry / ENGINE_FILES[key.library]
    record = build(work, engine)
    engine.chmod(0o644)
    with engine.open("rb") as written:
        os.fsync(written.fileno())
    (entry / RECORD).write_text(record.model_dump_json(indent=2) + "\n")
    return record


def _read_record(folder: Path) -> EngineRecord | None:
    try:
        return EngineRecord.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def _fault(folder: Path, record: EngineRecord, key: EngineKey) -> str | None:
    """What is wrong with the entry in `folder` as the engine of `key`."""
    if record.key != key:
        return f"what lies there is for {'; '.join(key_difference(key, record.key))}"
    engine = folder / ENGINE_FILES[key.library]
    for path in (folder.parent, folder, engine):
        _require_private(path)
    if not engine.is_file():
        return f"the engine of {library_title(key)} is gone"
    if file_digest(engine) != record.sha256:
        return "the engine's bytes are not those that were built"
    return None


def _require_private(path: Path) -> None:
    """Whoever may write an engine runs code in the server that loads it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_IWOTH or found.st_uid not in (0, os.geteuid()):
        raise InputError(
            "engines lie where others may write, and an engine is code",
            where=path,
            got="a link" if stat.S_ISLNK(found.st_mode) else f"{stat.filemode(found.st_mode)}, owner {found.st_uid}",
            expected=f"plain files of user {os.geteuid()} or root that others may not write",
            hint="remove it, or name another cache",
        )


def _last_use(folder: Path) -> float:
    try:
        return (folder / RECORD).stat().st_mtime
    except OSError:
        return 0.0


def _clear(entry: Path) -> None:
    """Removes what is not the engine: a damaged entry, and what killed builders left. The lock is held."""
    if entry.exists():
        _remove(entry)
    for left in entry.parent.glob(f"{_BUILDING}{entry.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Out of sight at once, then away: nobody finds half an entry."""
    grave = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):
        folder.rename(grave / "entry")
    shutil.rmtree(grave, ignore_errors=True)
