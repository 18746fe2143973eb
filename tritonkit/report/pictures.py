"""Files and what a served model answered about them -> the cards of the page's picture section."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from PIL import Image

from tritonkit.report.wording import PROTOCOL_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tritonkit.spec.reports import Answered

# Base64 makes three bytes four: with its tables and charts the page stays below 1 MB.
_BUDGET_BYTES = 550_000
_SIDES = (360, 240, 160, 96)
_MOST_PIXELS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Classes with their scores, the likeliest first, and the protocols that brought exactly these classes."""

    protocols: str
    classes: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCard:
    """One file.

    Attributes:
        name: its name, without folders.
        thumbnail: a data URI, or none where its bytes are not at hand or no picture.
        times: protocol and milliseconds.
        answers: one, or several where the protocols disagree on the classes.
    """

    name: str
    thumbnail: str | None
    times: tuple[tuple[str, float], ...]
    answers: tuple[Answer, ...]


def view_pictures(answers: Sequence[Answered], pictures: Mapping[str, bytes]) -> tuple[PictureCard, ...]:
    """A card for each file in `answers`, in their order.

    Args:
        answers: what was answered, by file and protocol.
        pictures: bytes by file, under the whole path that `answers` has or the name alone.
    """
    by_file: dict[str, list[Answered]] = {}
    for answer in answers:
        by_file.setdefault(answer.file, []).append(answer)
    thumbnails = draw_thumbnails(
        {file: data for file in by_file if (data := pictures.get(file, pictures.get(PurePath(file).name)))}
    )
    return tuple(
        PictureCard(
            name=PurePath(file).name,
            thumbnail=thumbnails.get(file),
            times=tuple((PROTOCOL_NAMES[one.protocol], one.milliseconds) for one in own),
            answers=_answers(own),
        )
        for file, own in by_file.items()
    )


def draw_thumbnails(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """A JPEG data URI for each of `pictures` that decodes; the more there are, the smaller each is.

    Orientation is left as the bytes have it, since that is what the model was shown.
    """
    thumbnails: dict[str, bytes] = {}
    for side in _SIDES:
        thumbnails = {name: small for name, data in pictures.items() if (small := _shrink(data, side))}
        if sum(map(len, thumbnails.values())) <= _BUDGET_BYTES:
            break
    uris: dict[str, str] = {}
    spent = 0
    for name, small in thumbnails.items():
        spent += len(small)
        if spent > _BUDGET_BYTES:
            break
        uris[name] = f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"
    return uris


def _shrink(data: bytes, side: int) -> bytes | None:
    """`data` as a JPEG of at most `side` pixels, or nothing where it is no picture or an unreasonably large one."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (side, side))
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    small.thumbnail((side, side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80, optimize=True)
    return out.getvalue()


def _answers(answered: Sequence[Answered]) -> tuple[Answer, ...]:
    groups: dict[tuple[str, ...], list[Answered]] = {}
    for one in answered:
        groups.setdefault(tuple(label for label, _ in one.classes), []).append(one)
    return tuple(
        Answer(protocols=" and ".join(PROTOCOL_NAMES[one.protocol] for one in group), classes=group[0].classes)
        for group in groups.values()
    )
