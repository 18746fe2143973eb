"""Thumbnails and answers of the picture section."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from tritonkit.report.pictures import draw_thumbnails, view_pictures


def encode(image: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def decode(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


def huge_png() -> bytes:
    """A PNG of 60,000 x 60,000 pixels by its header, in a few dozen bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_thumbnail_is_small_and_keeps_its_proportions():
    uri = draw_thumbnails({"a": encode(Image.new("RGB", (1200, 600), "teal"), "JPEG")})["a"]
    assert decode(uri).size == (360, 180)


def test_a_small_picture_is_not_blown_up():
    assert decode(draw_thumbnails({"a": encode(Image.new("RGB", (20, 10)), "PNG")})["a"]).size == (20, 10)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_pixel_becomes_a_jpeg(mode):
    assert decode(draw_thumbnails({"a": encode(Image.new(mode, (30, 30)), "PNG")})["a"]).mode == "RGB"


@pytest.mark.parametrize(
    "data", [b"", b"not a picture", encode(Image.new("RGB", (300, 300)), "PNG")[:200], huge_png()],
    ids=["empty", "text", "truncated", "too large"],
)  # fmt: skip
def test_what_does_not_decode_has_no_thumbnail(data):
    assert draw_thumbnails({"a": data}) == {}


def test_many_pictures_are_each_smaller():
    noise = encode(Image.effect_noise((800, 800), 100).convert("RGB"), "JPEG")
    few, many = draw_thumbnails({"0": noise}), draw_thumbnails({str(index): noise for index in range(40)})
    assert len(many) == 40
    assert decode(many["0"]).width < decode(few["0"]).width


def test_far_too_many_pictures_leave_the_last_ones_out():
    noise = encode(Image.effect_noise((100, 100), 100).convert("RGB"), "JPEG")
    thumbnails = draw_thumbnails({str(index): noise for index in range(400)})
    assert 0 < len(thumbnails) < 400
    assert sum(map(len, thumbnails.values())) < 800_000


class TestCards:
    def test_protocols_that_agree_are_one_answer(self, answers, pictures):
        cards = view_pictures(answers, pictures)
        assert [card.name for card in cards] == ["chelsea.png", "coffee.png"]
        assert cards[0].times == (("gRPC", 14.2), ("HTTP", 15.9))
        (answer,) = cards[0].answers
        assert answer.protocols == "gRPC and HTTP"
        assert answer.classes[0] == ("Egyptian cat", 0.612)

    def test_protocols_that_disagree_are_two(self, answers):
        other = answers[1].model_copy(update={"classes": (("lynx", 0.9),)})
        (card,) = view_pictures([answers[0], other], {})
        assert [one.protocols for one in card.answers] == ["gRPC", "HTTP"]

    def test_pictures_are_found_by_path_and_by_name(self, answers, pictures):
        by_name, by_path = view_pictures(answers, {"photos/coffee.png": pictures["coffee.png"], "chelsea.png": b"x"})
        assert by_name.thumbnail is None
        assert by_path.thumbnail.startswith("data:image/jpeg;base64,")
