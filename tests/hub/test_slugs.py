import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.slugs import slug_of


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Green steel", "green-steel"),
        ("Πράσινος χάλυβας", "prasinos-khalubas"),
        ("Зелена стомана", "zelena-stomana"),
        ("Zażółć gęślą jaźń!", "zazolc-gesla-jazn"),
        ("Straße", "strasse"),
        ("漢字", "han-zi"),
        ("R&amp;D", "r-amp-d"),
        ("../../etc/passwd", "etc-passwd"),
        ("😀", ""),
    ],
)
def test_a_title_becomes_a_slug(title, text):
    assert slug_of(title) == text


def test_a_cut_leaves_no_hyphen_at_the_end():
    assert slug_of("green steel", 6) == "green"


@given(st.text(max_size=100))
def test_any_title_becomes_a_valid_slug(title):
    text = slug_of(title, 20)
    assert len(text) <= 20
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not text.startswith("-") and not text.endswith("-")
