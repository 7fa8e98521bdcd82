import re
import struct
import zlib

import numpy as np
import pytest
from msgspec import UNSET, structs

from agent.demo_weeks import play_weeks
from agent.errors import StopError
from agent.events import decode
from agent.limbs.drawing import Dot, Line, Rect, Text, png, svg
from agent.limbs.page import HALF, WIDTH, draw, html, story


def _pixels(content):
    """What a PNG shows, read by the format's own rules."""
    width, height = struct.unpack(">II", content[16:24])
    size = struct.unpack(">I", content[33:37])[0]
    rows = np.frombuffer(zlib.decompress(content[41 : 41 + size]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_shapes_are_painted_where_they_are():
    shapes = [Rect(10, 10, 20, 10, "#ff0000"), Line(0, 50, 99, 50, "#00ff00", 2), Dot(70, 20, 5, "#0000ff")]
    pixels = _pixels(png(shapes, 100, 60))
    assert pixels.shape == (120, 200, 3)
    assert pixels[30, 40].tolist() == [255, 0, 0]
    assert pixels[100, 100].tolist() == [0, 255, 0]
    assert pixels[40, 140].tolist() == [0, 0, 255]
    assert pixels[5, 5].tolist() == [255, 255, 255]


def test_words_leave_a_trace_in_both_drawings():
    text = [Text(5, 30, "Été 20 %", "#000000")]
    assert (_pixels(png(text, 100, 40)) == 0).any()
    assert "Été 20 %" in svg(text, 100, 40, "t")


def test_the_demo_tells_the_relapse_alone_and_writes_its_page(tmp_path, capsys):
    assert play_weeks(tmp_path, 0, wait=lambda seconds: None) == 0
    said = capsys.readouterr().out
    assert said.count("***") == 2  # below healthy people, and the relapse
    assert "both sensors were worn for less than four hours" in said
    page = (tmp_path / "simulated.html").read_text(encoding="utf-8")
    assert '<section lang="fr">' in page
    assert "The left arm is used less" in page
    assert "Le bras gauche sert moins que les jours précédents" in page
    assert "The left arm&#x27;s use is 65 %" in page  # against healthy people, told on its own
    assert re.search(r"Usage du bras gauche : 65 % \[55 % ; 77 %\] .* en bonne santé", page)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # nothing is loaded from elsewhere
    assert (_pixels((tmp_path / "simulated.png").read_bytes()) != 255).any()


def test_the_legs_have_a_page_of_their_own_and_a_wearer_of_both_has_one_page(tmp_path, capsys):
    assert play_weeks(tmp_path, 0, "return_to_play", wait=lambda seconds: None) == 0
    assert capsys.readouterr().out.count("***") == 1
    page = (tmp_path / "simulated.html").read_text(encoding="utf-8")
    assert "Legs: simulated" in page
    assert "Arms" not in page
    assert "The left leg lands more softly" in page
    assert "La jambe gauche se pose plus doucement" in page
    legs = [decode(line) for line in (tmp_path / "simulated.jsonl").read_bytes().splitlines()]
    play_weeks(tmp_path, 0, wait=lambda seconds: None)
    arms = [decode(line) for line in (tmp_path / "simulated.jsonl").read_bytes().splitlines()]
    days = {event.data.start: event.data.summary.legs for event in legs if event.data.summary}
    for place, event in enumerate(arms):
        if event.data.summary:
            summary = structs.replace(event.data.summary, legs=days.get(event.data.start, UNSET))
            arms[place] = structs.replace(event, data=structs.replace(event.data, summary=summary))
    told = story(arms, "simulated")
    assert told.height == 2 * HALF
    both = html(told)
    assert both.index("Arms: simulated") < both.index("Legs: simulated")
    assert _pixels(png(draw(told), WIDTH, told.height))[2 * HALF :].min() < 255


def test_a_wearer_of_whom_nothing_was_published_is_one_clear_line():
    with pytest.raises(StopError, match="no day of bob"):
        story([], "bob")
