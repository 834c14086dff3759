"""One text that was asked for comes without what is wrapped around the whole of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.lists.single import bare
from lists.said import BARE


@pytest.mark.parametrize(("reply", "meant"), BARE)
def test_only_what_wraps_the_whole_is_taken_off(reply: str, meant: str) -> None:
    assert bare(reply) == meant


@given(reply=st.text(max_size=200))
def test_no_reply_makes_it_fail(reply: str) -> None:
    text = bare(reply)
    assert text == text.strip()
    assert text or not reply.strip("\u200b\ufeff\u2060\u200e\u200f \n") or len(reply) < 200
