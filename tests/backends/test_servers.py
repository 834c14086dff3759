"""How several servers are named, and what the model on them is known by."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.backends import open_chat
from gristmill.backends.calling import Calling
from gristmill.backends.fault import fault_of_status
from gristmill.backends.health import is_failing
from gristmill.backends.identity import alike, identity
from gristmill.backends.servers import also_known, lines, same_model, several
from gristmill.backends.sticky import beginning, rank
from gristmill.errors import ConfigError
from gristmill.parts import build
from gristmill.records import Message

A, B, C = "http://a:8000/v1#m", "https://b/v1#m", "http+dns://c:8000/v1#m"


def calling(model, **more) -> Calling:
    return build(Calling, {"model": model, **more}, "")


@pytest.mark.parametrize(
    ("model", "places"),
    [
        ([A, B], (A, B)),
        (f"{A},{B}", (A, B)),
        (f"{A}, {C}", (A, C)),
        ([f"{A},{B}", C], (A, B, C)),
        ([A], (A,)),
        (C, (C,)),
    ],
)
def test_a_list_or_commas(model, places):
    found = calling(model)
    assert (found.model, found.servers) == ("http://*#m", places)


@pytest.mark.parametrize(
    "model",
    [A, "http://a/v1#m,large", "hf:./a,b", "scripted:a,b.jsonl", "tiny:instruct", "hf:a,http:b"],
)
def test_one_string_keeps_its_meaning(model):
    found = calling(model)
    assert (found.model, found.servers) == (model, ())


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ([], "at least one server"),
        ([A, "http://b/v1#other"], "two models"),
        (["http://a/v1?route=classify#m", A], "two models"),
        (["tiny:instruct", A], "'tiny:instruct' cannot be one of several"),
        ([A, "nim:x/y"], "cannot be one of several"),
        ([A, "http://b/v1"], "add the model's name"),
        ([A, 7], "string"),
        ("http://*#m", "at least one server"),
        ("file:nowhere.txt", "nowhere.txt: cannot read it"),
    ],
)
def test_what_is_no_such_list(model, says):
    with pytest.raises(ConfigError, match=says):
        calling(model)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("http://b:99999999/v1#m", "not an address"), ("http://u:sk-1@b/v1#m", "key_env")],
)
def test_a_wrong_address_is_found_before_any_work(wrong, says):
    with pytest.raises(ConfigError, match=says) as caught:
        open_chat([A, wrong])
    assert "sk-1" not in str(caught.value)


def test_a_config_that_was_written_down_is_read_again():
    found = calling([A, B], sticky=True)
    assert Calling.model_validate(found.model_dump()) == found
    with pytest.raises(ConfigError, match="they serve"):
        calling("http://*#n", servers=[A])


def test_a_file_of_servers(tmp_path):
    file = tmp_path / "servers.txt"
    file.write_text(f"\ufeff# all\n\n  {A}  # first\n{A}\n\thttp://d/v1#a#b\n#{B}\n", "utf-8")
    assert lines(f"file:{file}") == [A, "http://d/v1#a#b"]
    file.write_text(f"{A}\nhttp://b/v1\n")
    with pytest.raises(ValueError, match=r"servers\.txt:2: add the model's name"):
        lines(f"file:{file}")
    assert lines(f"file:{file}#m") == [A, "http://b/v1#m"]
    # A name beside the file needs no file yet.
    assert calling(f"file:{tmp_path}/later.txt#m").model == "http://*#m"
    file.write_text(f"{A}\nb:8000\n")
    with pytest.raises(ValueError, match=r"servers\.txt:2: write http.* 'b:8000'"):
        lines(f"file:{file}")
    file.write_text("# none\n")
    with pytest.raises(ConfigError, match="names no server"):
        calling(f"file:{file}")


@given(st.lists(st.text(max_size=20), max_size=4), st.none() | st.just("#m"))
def test_any_file_is_addresses_or_a_line_that_says_why(tmp_path_factory, texts, name):
    file = tmp_path_factory.getbasetemp() / "any.txt"
    file.write_text("\n".join(texts), "utf-8", errors="replace")
    try:
        found = lines(f"file:{file}{name or ''}")
    except ValueError as error:
        assert str(file) in str(error)
    else:
        assert all(one.startswith(("http://", "https://")) and "#" in one for one in found)


@given(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text() | st.none())))
def test_any_value_is_a_model_or_one_line(value):
    try:
        found = calling(value)
    except ConfigError as error:
        assert "\n" not in str(error).replace(repr(value)[1:-1], "")
    else:
        assert bool(found.servers) == bool(several(value))


def test_an_identity_depends_neither_on_the_servers_nor_on_their_order():
    lists = [*permutations([A, B, C]), [A], [C, A]]
    found = [identity(calling(list(one), sticky=bool(n % 2))) for n, one in enumerate(lists)]
    assert all(one == found[0] for one in found)
    assert identity(calling(A))["model"] == A
    assert found[0] != identity(calling("http://a:8000/v1#n"))


def test_one_may_become_several_and_several_one():
    assert same_model(A, "http://*#m")
    assert same_model("http://*#m", B)
    assert same_model("http://*?route=classify#m", "http://a/v1?route=classify#m")
    for one, other in [(A, B), (A, "http://*#n"), ("hf:m", "http://*#m"),
                       ("http://*#m", "http://a/v1?route=classify#m")]:  # fmt: skip
        assert not same_model(one, other)
    there = {"generate": {"model": A, "body": {}}, "judges": [{"reward": {"model": B}}], "n": 1}
    here = {"generate": {"model": "http://*#m"}, "judges": [{"reward": {"model": A}}], "n": 2}
    assert alike(there, here) == {**there, "generate": {"model": "http://*#m", "body": {}}}


def test_under_which_names_answers_may_have_been_kept(tmp_path):
    file = tmp_path / "s.txt"
    file.write_text(f"{A}\n")
    assert also_known(A, ()) == ("http://*#m",)
    assert also_known("http://*#m", (B, f"file:{file}")) == (B, A)
    assert also_known("http://*#m", ("file:away.txt#m",)) == ()
    assert also_known("tiny:instruct", ()) == ()


def test_servers_that_come_or_go_move_their_own_share_alone():
    servers = [f"http://s{n}" for n in range(5)]
    asked = [beginning((Message("user", f"question {n}"),)) for n in range(500)]

    def homes(there):
        return [max(there, key=lambda server: rank(one, server)) for one in asked]

    before, after = homes(servers), homes(servers[:-1])
    assert {b for b, a in zip(before, after, strict=True) if b != a} == {servers[-1]}
    assert all(60 <= before.count(server) <= 140 for server in servers)


def test_the_beginning_is_the_same_in_all_turns():
    first = (Message("system", "s" * 5000), Message("user", "u" * 5000))
    later = (*first, Message("assistant", "a"), Message("user", "b"))
    assert beginning(first) == beginning(later)
    assert beginning(first) != beginning((Message("system", "t"), first[1]))
    assert beginning(()) == b""


@pytest.mark.parametrize(
    ("status", "failing"),
    [(500, True), (502, True), (504, True), (503, False), (429, False), (529, False)]
    + [(status, False) for status in (400, 404, 408, 409, 413, 422)],
)
def test_which_statuses_are_the_servers_own_fault(status, failing):
    assert is_failing(fault_of_status(status, {}, b"")) == failing
