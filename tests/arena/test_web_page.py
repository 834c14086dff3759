"""The page in a real browser, served by a real process, with scripted models."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from browser import CHROMIUM
from browser import browser as opened_browser
from gristmill.arena.store import Votes, read_votes

PATIENCE = 60_000
"""Milliseconds until a test gives up on a busy machine."""

pytest.importorskip("gradio", reason="the page needs the extra 'arena'")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if not CHROMIUM.exists():
    pytest.skip("there is no /usr/bin/chromium", allow_module_level=True)

MODELS = """
import asyncio

async def wheel(messages, index, seed):
    return answer(messages, "Round and round the wheel goes.")

async def stone(messages, index, seed):
    return answer(messages, "The **stone** grinds the grain.")

def answer(messages, usual):
    said = messages[-1]["content"]
    if said.startswith("leak:") and "wheel goes" in usual:
        return "I am Waterwheel, if you must know."
    if said.startswith("fail:") and "wheel goes" in usual:
        raise RuntimeError("told to fail")
    if said.startswith("say:"):
        return said[4:]
    return usual + f" (turn {sum(m['role'] == 'user' for m in messages)})"
"""
CONFIG = {
    "name": "Mills",
    "models": [
        {"model": "scripted:players:wheel?latency=0.6", "name": "waterwheel-1b", "alias": "Anna"},
        {"model": "scripted:players:stone?latency=0.9", "name": "millstone-9b"},
    ],
    "leaderboard": {"refresh_seconds": 0, "minimum_votes": 1},
}
SERVE = """
import sys
from pathlib import Path
from gristmill.arena.web import serve

def watch(event, args):
    if event == "socket.connect" or (event == "socket.getaddrinfo" and args[0] != "127.0.0.1"):
        print("WENT OUT", args, file=sys.stderr)

sys.addaudithook(watch)
serve(Path("arena.yaml"), port=0, ready=lambda address: print(address, flush=True))
"""
VOTES = ("#vote-model_a", "#vote-model_b", "#vote-tie", "#vote-both_bad")


@pytest.fixture
def processes() -> Iterator[list[SimpleNamespace]]:
    """Servers of one test, which do not outlive it however it ends."""
    started: list[SimpleNamespace] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            stop(each)


def start(folder: Path) -> SimpleNamespace:
    """The server of a folder's `arena.yaml`, as a process of its own."""
    log = (folder / "log").open("a")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
    )
    log.close()
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:"), (folder / "log").read_text()
    return SimpleNamespace(address=address, process=process, votes=folder / "votes.sqlite")


def stop(server: SimpleNamespace, how: signal.Signals = signal.SIGKILL) -> int:
    server.process.send_signal(how)
    server.process.stdout.close()
    return server.process.wait(30)


def folder_of(folder: Path) -> Path:
    (folder / "players.py").write_text(textwrap.dedent(MODELS))
    (folder / "arena.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[SimpleNamespace]:
    folder = folder_of(tmp_path_factory.mktemp("arena"))
    running = start(folder)
    yield running
    stop(running)
    assert "WENT OUT" not in (folder / "log").read_text(), "the server asked another one"


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def page(browser, server):
    context = browser.new_context()
    opened = visit(context, server.address)
    yield opened
    context.close()
    assert opened.foreign == []
    assert opened.errors == []


def visit(context, address: str):
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.foreign, page.errors, page.dialogs = [], [], []
    page.on("request", lambda r: page.foreign.append(r.url) if foreign(r.url, address) else None)
    page.on("response", lambda r: page.errors.append(r.url) if r.status >= 400 else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    page.wait_for_selector("#prompt textarea")
    # The id of this browser is there once it was stored.
    page.wait_for_function("Object.keys(localStorage).some(k => k.startsWith('visitor-'))")
    return page


def foreign(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


def ask(page, text: str, wait: bool = True) -> None:
    turns = page.locator("#answer-a .user-row").count()
    page.fill("#prompt textarea", text)
    page.click("#send")
    page.locator("#answer-a .user-row").nth(turns).wait_for()
    if wait:
        # On a busy machine the page may show the end at once, and never that both are answering.
        page.wait_for_function("!document.getElementById('answers').innerText.includes('▍')")
        page.wait_for_selector("text=Both are answering", state="detached")
        page.wait_for_selector("#again:not([disabled])")


def vote(page, button: str = "#vote-model_a") -> str:
    """What the page says once the names are there."""
    page.click(button)
    page.wait_for_selector("#note .note:has-text('You voted')")
    if page.is_visible("#names"):
        page.click("#names:not([disabled])")
        page.wait_for_selector("#answer-a label:has-text('A: ')")
    return page.inner_text("#note")


def renew(page) -> None:
    page.click("#new")
    page.wait_for_selector("#answer-a label:has-text('Assistant A')")


def texts(page, side: str) -> list[str]:
    return page.locator(f"#answer-{side} .bot-row .prose").all_inner_texts()


def test_a_battle_with_everything(page, server):
    assert page.title() == "Mills"
    assert all(page.is_disabled(button) for button in VOTES)
    ask(page, "What is a mill?", wait=False)
    seen = set()
    while page.is_disabled("#vote-tie"):
        seen.add(tuple(texts(page, "a") + texts(page, "b")))
    assert len(seen) >= 3, "the answers come in pieces"
    body = page.inner_text("body")
    assert not any(name in body for name in ("Anna", "waterwheel", "millstone"))
    assert "Assistant A" in body and "Assistant B" in body
    ask(page, "Go on.")
    assert {texts(page, side)[1] for side in "ab"} == {
        "Round and round the wheel goes. (turn 2)",
        "The stone grinds the grain. (turn 2)",
    }
    before = count(server)
    said = vote(page)
    (battle,) = list(read_votes(server.votes))[before["counted"] :]
    assert (battle.prompt, battle.turns, battle.winner) == ("What is a mill?", 2, "model_a")
    assert "Anna" in said and "millstone-9b" in said and "waterwheel" not in page.content()
    shown = {"waterwheel-1b": "Anna"}
    first = page.inner_text("#answer-a label")
    assert first == f"A: {shown.get(battle.model_a, battle.model_a)}"
    assert battle.judge.startswith("visitor:")
    assert all(page.is_disabled(button) for button in VOTES)

    assert page.is_disabled("#undo") and page.is_disabled("#names")

    ask(page, "And now?")
    page.click("#vote-both_bad")
    page.wait_for_selector("#note .note:has-text('not counted')")
    assert changed(server, before) == {"counted": 1, "after_reveal": 1}
    renew(page)
    assert texts(page, "a") == []


def test_a_vote_is_undone_before_its_names_are_shown(page, server):
    ask(page, "q")
    before = count(server)
    page.click("#vote-tie")
    page.wait_for_selector("#undo:not([disabled])")
    body = page.content()
    assert not any(name in body for name in ("Anna", "waterwheel", "millstone"))
    page.click("#undo")
    page.wait_for_selector("text=Which answer is better?")
    assert changed(server, before) == {"withdrawn": 1}
    page.click("#vote-model_b")
    page.wait_for_selector("#answer-a label:has-text('A: ')")  # without a click, by the time
    assert changed(server, before) == {"withdrawn": 1, "counted": 1}
    assert "not counted" not in page.inner_text("#note")
    assert page.is_disabled("#undo")


def count(server) -> dict[str, int]:
    opened = Votes(server.votes)
    counts = opened.count()
    opened.close()
    return counts


def changed(server, before: dict[str, int]) -> dict[str, int]:
    return {k: v - before.get(k, 0) for k, v in count(server).items() if v != before.get(k, 0)}


def test_a_double_click_and_two_buttons_at_once_are_one_vote(page, server):
    ask(page, "q")
    before = count(server)
    page.evaluate(
        """() => { for (const id of ['vote-model_a', 'vote-tie', 'vote-model_a', 'vote-both_bad'])
               document.getElementById(id).click(); }"""
    )
    page.wait_for_selector("text=You voted")
    page.wait_for_timeout(500)
    assert changed(server, before) == {"counted": 1}


def test_the_same_request_sent_ten_times_is_one_vote(page, server):
    """As a client without our page would send it: into the queue, with the session's name."""
    ask(page, "q")
    sent = []
    page.on("request", lambda r: sent.append(r.post_data) if "queue/join" in r.url else None)
    before = count(server)
    vote(page)
    body = json.dumps(next(data for data in sent if data))
    statuses = page.evaluate(
        f"""async () => Promise.all(Array.from({{length: 10}}, () =>
            fetch('gradio_api/queue/join?', {{method: 'POST', body: {body},
                headers: {{'Content-Type': 'application/json'}}}}).then(r => r.status)))"""
    )
    assert statuses == [200] * 10
    page.wait_for_timeout(500)
    assert changed(server, before) == {"counted": 1}


@pytest.mark.parametrize(
    ("prompt", "reason", "said"),
    [
        ("leak: who are you?", "identity", "gave its model away"),
        ("fail: please", "error", "broke off"),
    ],
)
def test_votes_that_do_not_count(page, server, prompt, reason, said):
    before = count(server)
    ask(page, prompt)
    assert said in vote(page, "#vote-model_b")
    assert changed(server, before) == {reason: 1}
    assert "told to fail" not in page.content()


def test_a_failed_answer_regenerated(page, server):
    ask(page, "fail: please")
    assert "could not answer" in page.inner_text("#answers")
    assert page.is_disabled("#send")
    page.click("#again")
    page.wait_for_selector("text=Both are answering")
    page.wait_for_selector("text=broke off")


HOSTILE = """say:<script>alert('script')</script> <img src=x onerror="alert('img')">
<img src="https://example.com/pixel.png"> ![pixel](https://example.com/pixel2.png)
![ref][r] <svg onload="alert('svg')"> <iframe src="https://example.com/"></iframe>
<style>@import url("https://example.com/x.css"); body { display: none }</style>
[link](javascript:alert('link')) [encoded](java&#115;cript:alert(1))
<a href="javascript:alert(2)">a</a>
<div style="background: url(https://example.com/bg.png)">styled</div>
$$\\href{javascript:alert(3)}{x} \\includegraphics{https://example.com/tex.png}$$
```html
<b>code stays</b>
```
[r]: https://example.com/pixel3.png"""


def test_answers_and_prompts_run_nothing_and_fetch_nothing(page, server):
    ask(page, HOSTILE)
    page.wait_for_timeout(500)
    for link in page.locator("#answers .prose a").all():
        assert "script" not in (link.get_attribute("href") or "").lower().split(":")[0]
    inside = "#answers .prose "
    assert (
        page.locator(
            ",".join(inside + t for t in ("img", "svg:not(button svg)", "iframe", "script"))
        ).count()
        == 0
    )
    assert page.locator("#answers .prose [style*=url], #answers .prose style").count() == 0
    shown = texts(page, "a")[0]
    assert "<img src=x onerror=" in shown, "what was written is shown"
    assert "<b>code stays</b>" in shown
    vote(page)
    assert page.dialogs == []


def test_a_model_that_is_known_by_a_hostile_name_is_text(browser, tmp_path):
    folder_of(tmp_path)
    evil = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}"
    models = [{**CONFIG["models"][0], "alias": evil}, CONFIG["models"][1]]
    config = {**CONFIG, "name": "<b>&", "models": models, "undo_seconds": 0}
    (tmp_path / "arena.yaml").write_text(yaml.safe_dump(config))
    running = start(tmp_path)
    context = browser.new_context()
    try:
        page = visit(context, running.address)
        assert page.inner_text("h1") == "<b>&"
        assert not page.is_visible("#undo")
        ask(page, "q")
        assert "onerror" in vote(page, "#vote-tie")
        page.click("role=tab[name=Leaderboard]")
        page.wait_for_selector(".ratings")
        assert evil[:28] in page.inner_text(".ratings")
        assert page.locator("#note img, #answers img, #leaderboard img").count() == 0
        assert page.dialogs == [] and page.foreign == []
    finally:
        context.close()
        stop(running)


TYPED = """f(x), \\(a^2\\), \\[b\\] and $$c$$ for $5; # no [x](y) <b>k</b> `t` &amp; a_b_c
1. www.a.org ~~s~~ ![i](j)
    indented"""


def test_a_prompt_is_shown_as_it_was_typed_and_what_is_stored_is_said(page, server):
    ask(page, TYPED)
    prompt = page.locator("#answer-a .user-row .prose")
    assert prompt.inner_text().replace("\u00a0", " ") == TYPED
    assert prompt.locator(".katex").count() == 0
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 800})
        assert "your votes are stored" in page.inner_text("#head .notice")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_leaderboard(page, server):
    ask(page, "q")
    vote(page)
    page.click("role=tab[name=Leaderboard]")
    page.wait_for_selector(".ratings")
    board = page.inner_text("#leaderboard")
    assert "Anna" in board and "waterwheel" not in page.content()
    assert page.locator("#leaderboard .heat td[title]").count() == 4


def test_a_browser_stays_one_visitor_and_another_is_another(browser, server):
    judges = []
    contexts = [browser.new_context(), browser.new_context()]
    for context in (contexts[0], contexts[0], contexts[1]):
        page = visit(context, server.address)
        ask(page, "q")
        vote(page)
        judges.append(list(read_votes(server.votes))[-1].judge)
        page.close()
    for context in contexts:
        context.close()
    assert judges[0] == judges[1] != judges[2]


def test_doors_that_nobody_needs_are_closed(page, server):
    for path in ("upload", "file=/etc/passwd", "proxy=http://example.com/", "stream/x/1/0"):
        assert page.request.get(f"{server.address}/gradio_api/{path}").status == 404
    assert page.request.post(f"{server.address}/gradio_api/upload", data="x").status == 404
    assert page.request.get(f"{server.address}/gradio_api/info").status == 404
    headers = page.request.get(server.address).headers
    assert "script-src-attr 'none'" in headers["content-security-policy"]


def test_a_kill_loses_no_vote_that_was_shown(browser, tmp_path, processes):
    folder = folder_of(tmp_path)
    running = start(folder)
    processes.append(running)
    context = browser.new_context()
    page = visit(context, running.address)
    for number in range(3):
        ask(page, f"prompt {number}")
        vote(page)
        renew(page)
    ask(page, "the last")
    vote(page)
    assert stop(running) == -signal.SIGKILL
    stored = list(read_votes(running.votes))
    assert [b.prompt for b in stored] == ["prompt 0", "prompt 1", "prompt 2", "the last"]
    again = start(folder)
    processes.append(again)
    page = visit(context, again.address)
    ask(page, "after it")
    vote(page)
    context.close()
    assert stop(again, signal.SIGINT) != 0
    assert len(list(read_votes(running.votes))) == 5
    log = (folder / "log").read_text()
    assert "127.0.0.1" not in log, log
    assert all(b"127.0.0.1" not in path.read_bytes() for path in folder.glob("votes*"))
