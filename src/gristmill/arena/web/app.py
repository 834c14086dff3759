"""The page's layout and what each button calls. What it does and says is in `arena` and `view`."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from importlib.resources import files
from typing import Any

import gradio as gr
from markupsafe import Markup

from gristmill.arena.web.arena import Arena
from gristmill.arena.web.config import PageConfig
from gristmill.arena.web.leaderboard import Leaderboard
from gristmill.arena.web.round import Refused, Round
from gristmill.arena.web.theme import theme, variables
from gristmill.arena.web.view import CHOICES, View, note, view_of
from gristmill.arena.web.wall import LOG, Wall, failure

Updates = dict[Any, Any]

_LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
_PLAIN: dict[str, Any] = {"js_on_load": None, "apply_default_css": False}
"""Our own HTML, without Gradio's style and script."""
_QUIET: dict[str, Any] = {
    # No waiting animation over the page, nothing in the API's docs, no queue between visitors.
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
}


def application(arena: Arena, leaderboard: Leaderboard) -> Any:
    """The page as an ASGI application. Call it in the event loop that the backends are open in."""
    from fastapi import FastAPI

    page = Page(arena, leaderboard).build()
    page.queue(default_concurrency_limit=None, api_open=False, max_size=1000)
    style = files("gristmill.arena.web").joinpath("style.css").read_text(encoding="utf-8")
    app = FastAPI(openapi_url=None)
    mounted = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme(),
        css=variables() + style,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size=1,
        blocked_paths=["/"],
    )
    return Wall(mounted)


class _Blocks(gr.Blocks):
    """Gradio's page, which writes a line where an event fails instead of a hundred."""

    async def process_api(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().process_api(*args, **options)
        except Exception as error:
            LOG.warning("an event of the page failed: %s", failure(error))
            raise gr.Error("That did not work. Reload the page.", print_exception=False) from None


class Page:
    """The components of the page, and the handlers of its events."""

    def __init__(self, arena: Arena, leaderboard: Leaderboard) -> None:
        self._arena = arena
        self._leaderboard = leaderboard
        self._undo_seconds = arena.config.undo_seconds

    def build(self) -> gr.Blocks:
        """The page."""
        # Its name in the browser's storage, where an id lives on when the server starts anew.
        store = self._arena.votes.pseudonym("browser storage").replace(":", "-")
        with _Blocks(title=self._arena.config.name, analytics_enabled=False) as page:
            self._round = gr.State(None)
            self._browser = gr.BrowserState(None, storage_key=store, secret=store)
            # A little later, so that the time for an undo is over when it ticks.
            self._timer = gr.Timer(self._undo_seconds + 0.1, active=False)
            gr.HTML(_head(self._arena.config), elem_id="head", **_PLAIN)
            with gr.Tabs():
                with gr.Tab("Battle"):
                    self._battle()
                with gr.Tab("Leaderboard") as tab:
                    waiting = note("The leaderboard is being computed …")
                    self._board = gr.HTML(waiting, elem_id="leaderboard", **_PLAIN)
            self._wire(page, tab)
        return page

    def _battle(self) -> None:
        with gr.Row(elem_id="answers", equal_height=True):
            self._chats = [self._chat(side) for side in "AB"]
        with gr.Column(elem_id="desk"):
            self._note = gr.HTML(note(""), elem_id="note", **_PLAIN)
            with gr.Row(elem_id="votes"):
                self._votes = {w: _button(f"vote-{w}", said) for w, said in CHOICES.items()}
            with gr.Row(elem_id="ask"):
                self._box = gr.Textbox(
                    label="Your prompt",
                    placeholder=View().placeholder,
                    show_label=False,
                    container=False,
                    lines=1,
                    max_lines=10,
                    scale=8,
                    autofocus=True,
                    elem_id="prompt",
                )
                self._send = gr.Button("Send", variant="primary", min_width=90, elem_id="send")
            with gr.Row(elem_id="more"):
                self._again = _button("again", "Regenerate")
                self._new = _button("new", "New round")
                self._undo = _button("undo", "Undo vote", visible=self._undo_seconds > 0)
                self._names = _button("names", "Show the names", visible=self._undo_seconds > 0)

    def _chat(self, side: str) -> gr.Chatbot:
        return gr.Chatbot(
            label=f"Assistant {side}",
            elem_id=f"answer-{side.lower()}",
            height="auto",
            min_width=300,
            layout="panel",
            buttons=["copy"],
            feedback_options=None,
            sanitize_html=True,
            allow_tags=False,
            allow_file_downloads=False,
            latex_delimiters=_LATEX,
        )

    def _wire(self, page: gr.Blocks, tab: gr.Tab) -> None:
        self._all = [
            self._round,
            *self._chats,
            self._note,
            *self._votes.values(),
            self._box,
            self._send,
            self._again,
            self._new,
            self._undo,
            self._names,
            self._timer,
        ]
        where = [self._round, self._browser]
        gr.on(
            [self._box.submit, self._send.click],
            self._on_send,
            [*where, self._box],
            self._all,
            **_QUIET,
        )
        for winner, button in self._votes.items():
            button.click(self._on_vote(winner), where, self._all, **_QUIET)
        self._again.click(self._on_again, self._round, self._all, **_QUIET)
        self._undo.click(self._on_undo, self._round, self._all, **_QUIET)
        self._new.click(self._on_new, self._round, self._all, **_QUIET)
        self._names.click(self._on_names, self._round, self._all, **_QUIET)
        self._timer.tick(self._on_tick, self._round, self._all, **_QUIET)
        page.load(_known, self._browser, self._browser, **_QUIET)
        tab.select(self._leaderboard.html, None, self._board, **_QUIET)

    # Events

    async def _on_send(
        self, name: str | None, browser: Any, text: str, request: gr.Request
    ) -> AsyncGenerator[Updates]:
        address = self._address(request)
        try:
            found = self._arena.begin(name, text or "", self._visitor(browser, address), address)
        except Refused as refusal:
            yield self._refused(refusal)
            return
        async for updates in self._follow(found, typed=""):
            yield updates

    async def _on_again(self, name: str | None) -> AsyncGenerator[Updates]:
        try:
            found = self._arena.again(name)
        except Refused as refusal:
            yield self._refused(refusal)
            return
        async for updates in self._follow(found):
            yield updates

    async def _follow(self, found: Round, typed: str | None = None) -> AsyncGenerator[Updates]:
        """The answers while they come, and then what may be done with them."""
        began = False
        async with aclosing(self._arena.answers(found)) as answers:
            async for _ in answers:
                if began:
                    yield self._talks(self._view(found))
                else:
                    # Not before the answers have begun, so that they are ended in any case.
                    began = True
                    yield {self._round: found.name, **self._shown(found, typed)}
        yield self._shown(found)

    def _on_vote(self, winner: str) -> Callable[..., Any]:
        async def vote(name: str | None, browser: Any, request: gr.Request) -> Updates:
            visitor = self._visitor(browser, self._address(request))
            try:
                found = await self._arena.vote(name, winner, visitor)
            except Refused as refusal:
                return self._refused(refusal)
            if found is None:
                return {self._round: gr.skip()}
            return self._shown(found)

        return vote

    async def _on_undo(self, name: str | None) -> Updates:
        try:
            found = await self._arena.undo(name)
        except Refused as refusal:
            return self._refused(refusal)
        return self._shown(found)

    def _on_new(self, name: str | None) -> Updates:
        found = self._arena.round(name)
        if found is not None and found.busy:
            return {self._round: gr.skip()}
        return {self._round: None, **self._shown(None)}

    def _on_names(self, name: str | None) -> Updates:
        found = self._arena.reveal(name)
        return {self._round: gr.skip()} if found is None else self._shown(found)

    def _on_tick(self, name: str | None) -> Updates:
        """The time for an undo is over, or nearly."""
        found = self._arena.round(name)
        if found is None or found.busy or self._view(found).can_undo:
            return {self._round: gr.skip()}
        return self._on_names(name)

    # What the page shows

    def _view(self, found: Round | None, typed: str | None = None) -> View:
        return view_of(found, time.time(), self._undo_seconds, typed=typed)

    def _talks(self, view: View) -> Updates:
        chats = zip(self._chats, view.talks, view.titles, strict=True)
        return {chat: gr.Chatbot(value=list(talk), label=title) for chat, talk, title in chats}  # type: ignore[arg-type]

    def _shown(self, found: Round | None, typed: str | None = None) -> Updates:
        view = self._view(found, typed)
        box: dict[str, Any] = {"placeholder": view.placeholder}
        if typed is not None:
            box["value"] = typed
        return {
            **self._talks(view),
            self._note: view.note,
            self._box: gr.Textbox(**box),
            self._send: gr.Button(interactive=view.can_send),
            self._again: gr.Button(interactive=view.can_again),
            self._new: gr.Button(
                interactive=view.can_new, variant="primary" if view.decided else "secondary"
            ),
            self._undo: gr.Button(interactive=view.can_undo),
            self._names: gr.Button(interactive=view.can_undo),
            self._timer: gr.Timer(active=view.can_undo),
            **{b: gr.Button(interactive=view.can_vote) for b in self._votes.values()},
        }

    def _refused(self, refusal: Refused) -> Updates:
        return {self._note: note(str(refusal), "warn")}

    # Who it is

    def _visitor(self, browser: Any, address: str) -> str:
        if isinstance(browser, str) and 0 < len(browser) <= 64:
            return self._arena.votes.pseudonym(f"browser {browser}")
        return address

    def _address(self, request: gr.Request) -> str:
        host = request.client.host if request.client else ""
        return self._arena.votes.pseudonym(f"address {host}")


def _button(name: str, said: str, visible: bool = True) -> gr.Button:
    """A button that does not work yet. name: its id in the page."""
    return gr.Button(said, elem_id=name, interactive=False, min_width=120, visible=visible)


def _known(browser: Any) -> str:
    """The random id of a browser, made on its first visit."""
    return browser if isinstance(browser, str) and browser else secrets.token_urlsafe(16)


def _head(config: PageConfig) -> str:
    notice = Markup('<p class="notice">{}</p>').format(config.notice) if config.notice else ""
    return Markup(
        "<h1>{}</h1><p>Two anonymous models answer the same prompt. Vote for the better answer; "
        "their names are shown after your vote.</p>{}"
    ).format(config.name, notice)
