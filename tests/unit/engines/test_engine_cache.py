"""The engine cache: what it hands out, and above all what not."""

import hashlib
import os
import time

import pytest

from builder.engines.engine_cache import (
    explain_miss,
    find_engine,
    obtain_engine,
    prune_engines,
    read_timing_cache,
    read_verified,
    require_engine,
    timing_cache,
    write_timing_cache,
)
from tests.unit.engines.engine_keys import key, record
from tritonkit.spec.errors import GateError, InputError, KitError

CONTENT = b"ftrt: the bytes of an engine"


def silent(line):
    pass


def builder_of(wanted, content=CONTENT):
    def build(work, file):
        assert list(work.iterdir()) == []
        file.write_bytes(content)
        made = record(sha256=hashlib.sha256(content).hexdigest())
        return made.model_copy(update={"key": wanted, "bytes": len(content)})

    return build


def obtain(cache, wanted=None, build=None):
    wanted = wanted or key()
    return obtain_engine(cache, wanted, build or builder_of(wanted), wait_seconds=5, tell=silent)


def never(work, file):
    raise AssertionError("built although it is there")


def test_it_is_built_once(tmp_path):
    first, second = obtain(tmp_path), obtain(tmp_path, build=never)
    assert (first.cached, second.cached) == (False, True)
    assert read_verified(second) == CONTENT
    assert second.record == first.record


def test_nothing_but_the_entry_remains(tmp_path):
    engine = obtain(tmp_path)
    assert [entry.name for entry in (tmp_path / "engines").iterdir()] == [engine.file.parent.name]
    assert sorted(file.name for file in engine.file.parent.iterdir()) == ["engine.json", "model.plan"]
    assert list((tmp_path / "locks").iterdir()) == []


def test_an_rtx_engine_has_a_name_of_its_own(tmp_path):
    assert obtain(tmp_path, key(library="tensorrt_rtx")).file.name == "model.rtx"


def test_a_build_that_fails_leaves_nothing(tmp_path):
    def fail(work, file):
        file.write_bytes(b"half an eng")
        raise KitError("the builder crashed")

    with pytest.raises(KitError, match="crashed"):
        obtain(tmp_path, build=fail)
    assert list((tmp_path / "engines").iterdir()) == []
    assert list((tmp_path / "locks").iterdir()) == []


def damage_engine(folder):
    (folder / "model.plan").write_bytes(CONTENT[:-1] + b"X")


def truncate_engine(folder):
    (folder / "model.plan").write_bytes(CONTENT[:5])


def remove_engine(folder):
    (folder / "model.plan").unlink()


def damage_record(folder):
    (folder / "engine.json").write_text("{")


def foreign_record(folder):
    """An engine of another version, copied here under this one's name, its digest in order."""
    (folder / "engine.json").write_text(
        record(sha256=hashlib.sha256(CONTENT).hexdigest(), version="10.13.3.9").model_dump_json()
    )


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_engine, "the engine's bytes are not those that were built"),
        (truncate_engine, "the engine's bytes are not those that were built"),
        (remove_engine, "is gone"),
        (damage_record, "its record is not readable"),
        (foreign_record, "what lies there is for TensorRT 10.13.3.9 instead of TensorRT 10.14.1.48"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_damaged_or_foreign_is_never_handed_out_but_built_again(tmp_path, damage, says):
    folder = obtain(tmp_path).file.parent
    damage(folder)
    assert find_engine(tmp_path, key()) is None
    with pytest.raises(GateError, match=says):
        require_engine(tmp_path, key())
    again = obtain(tmp_path)
    assert not again.cached
    assert says in again.reason
    assert read_verified(again) == CONTENT


def test_bytes_that_change_after_they_were_found_are_not_handed_out(tmp_path):
    engine = obtain(tmp_path)
    engine.file.write_bytes(b"other code")
    with pytest.raises(GateError, match="not the one that was built"):
        read_verified(engine)


def test_an_engine_that_goes_after_it_was_found(tmp_path):
    engine = obtain(tmp_path)
    engine.file.unlink()
    with pytest.raises(GateError, match="has gone from the cache"):
        read_verified(engine)


@pytest.mark.parametrize("which", ["engines", "entry", "engine"])
def test_engines_where_others_may_write_are_refused(tmp_path, which):
    file = obtain(tmp_path).file
    {"engine": file, "entry": file.parent, "engines": file.parent.parent}[which].chmod(0o777)
    with pytest.raises(InputError, match="others may write"):
        find_engine(tmp_path, key())


def test_an_engine_that_is_a_link_is_refused(tmp_path):
    file = obtain(tmp_path / "cache").file
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    with pytest.raises(InputError, match="got a link"):
        find_engine(tmp_path / "cache", key())


def test_a_miss_says_in_one_line_what_the_nearest_engine_differs_in(tmp_path):
    assert explain_miss(tmp_path, key()) == "no engine of this ONNX file yet"
    obtain(tmp_path, key(version="10.13.3.9"))
    obtain(tmp_path, key(version="10.13.3.9", precision="int8"))
    assert (
        explain_miss(tmp_path, key()) == "the nearest engine is for TensorRT 10.13.3.9 instead of TensorRT 10.14.1.48"
    )


def test_use_keeps_an_engine_from_being_pruned(tmp_path):
    old, used = obtain(tmp_path, key(precision="int8")), obtain(tmp_path)
    for engine in (old, used):
        os.utime(engine.file.parent / "engine.json", (0, time.time() - 10 * 86_400))
    find_engine(tmp_path, key())
    assert prune_engines(tmp_path, unused_days=9) == [old.file.parent]
    assert find_engine(tmp_path, key()) is not None
    assert not old.file.parent.exists()


def test_the_longest_unused_go_first_when_it_is_too_much(tmp_path):
    engines = [obtain(tmp_path, key(compute_capability=capability)) for capability in ("8.0", "8.6", "8.9")]
    for age, engine in enumerate(engines):
        os.utime(engine.file.parent / "engine.json", (0, time.time() - age))
    size = sum(file.stat().st_size for file in engines[0].file.parent.iterdir())
    assert prune_engines(tmp_path, most_bytes=2 * size + size // 2) == [engines[2].file.parent]


def test_pruning_leaves_what_is_being_built_and_takes_what_was_killed_long_ago(tmp_path):
    obtain(tmp_path)
    fresh, dead = (tmp_path / "engines" / name for name in (".building-fresh", ".building-dead"))
    for folder in (fresh, dead):
        folder.mkdir()
    os.utime(dead, (0, time.time() - 2 * 86_400))
    assert prune_engines(tmp_path, unused_days=1, most_bytes=10**9) == []
    assert fresh.exists()
    assert not dead.exists()


def test_measurements_are_kept_by_version_and_gpu_and_only_whole(tmp_path):
    (tmp_path / "timing").mkdir()
    file = timing_cache(tmp_path, key())
    assert file != timing_cache(tmp_path, key(compute_capability="8.9"))
    assert read_timing_cache(file) is None
    write_timing_cache(file, b"measured")
    assert read_timing_cache(file) == b"measured"
    file.write_bytes(file.read_bytes()[:-1])
    assert read_timing_cache(file) is None
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
