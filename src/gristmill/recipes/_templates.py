"""The templates of a recipe: Jinja, beside its code, each replaceable from a user's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    meta,
)
from jinja2.sandbox import SandboxedEnvironment

from gristmill.errors import ConfigError

HERE = Path(__file__).parent
SHARED = "_shared"
COMMON = frozenset({"language", "persona", "count"})
"""What every template may use: the language's English name, whom the prompt is from (or ""), and
how many are asked for."""

MOST_KNOWN = 200
"""Items of earlier turns that a model is told not to repeat; more would fill its context."""

KNOWN_PER_TOKEN = 4
"""Bytes of them, for each token that a reply may have."""

SHARED_VARIABLES = {
    "_list": frozenset[str](),
    "_more": frozenset[str](),
    "_one": frozenset[str](),
    "_who": frozenset[str](),
    "personas": frozenset({"known"}),
}
"""The templates that all recipes use, in `_shared`, and what else they may use."""


GIVEN, SHUT = "\ufdd0", "\ufdd1"
"""Around what a template was given: characters that Unicode keeps free of any text."""


class _Marked(str):
    """A value that a template puts in between marks, and in all else is what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return "".join((GIVEN, self, SHUT))


class Templates:
    """The templates of one recipe, checked: `templates.text("questions", count=5, ...)`.

    variables: of each template by name, beside `COMMON`. folder: a user's own files, which go
    before the recipe's; they may lie in it or in a folder of the recipe's name.
    Raises ConfigError naming the file, the line and the variable for what could not be rendered.
    """

    def __init__(
        self, recipe: str, variables: Mapping[str, frozenset[str]], folder: Path | None
    ) -> None:
        self._variables = variables
        self._own = [folder / recipe, folder] if folder else []
        self._folders = [*self._own, HERE / recipe, HERE / SHARED]
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"templates: {folder}: no such folder")
        for name in variables:
            self._check(name)

    def text(self, name: str, **values: object) -> str:
        """One template with its values."""
        try:
            return self._environment.get_template(f"{name}.md").render(**values).strip()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            path = self._find(f"{name}.md")
            raise ConfigError(f"{path}: cannot be filled in: {error}") from None

    def marked(self, name: str, **values: object) -> str:
        """The same with each text that it was given between `GIVEN` and `SHUT`: what is outside of
        these are the template's own words. The language's name is one of them."""
        given = {key: value if key == "language" else _mark(value) for key, value in values.items()}
        return self.text(name, **given)

    @property
    def wording(self) -> str:
        """All that a request may have of the templates' own words: the longest of them, and those
        that all recipes use."""
        texts = {n: self._find(f"{n}.md").read_text(encoding="utf-8") for n in self._variables}
        shared = "".join(texts[name] for name in SHARED_VARIABLES if name in texts)
        return max(texts.values(), key=len) + shared

    @cached_property
    def _environment(self) -> Environment:
        # Sandboxed: a folder of templates may come from somebody else. No autoescape: these are
        # questions to a model, not pages.
        loaders: list[BaseLoader] = [FileSystemLoader(f) for f in self._folders]
        environment = SandboxedEnvironment(
            loader=ChoiceLoader(loaders),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        environment.filters["of"] = _of
        return environment

    def _check(self, name: str) -> None:
        path = self._find(f"{name}.md")
        try:
            source = path.read_text(encoding="utf-8")
            parsed = self._environment.parse(source)
            used = meta.find_undeclared_variables(parsed)
            included = {f for f in meta.find_referenced_templates(parsed) if f is not None}
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 ({error.reason})") from None
        except TemplateSyntaxError as error:
            raise ConfigError(f"{path}: line {error.lineno}: {error.message}") from None
        known = COMMON | self._variables[name]
        for variable in sorted(used - known):
            line = _line_of(variable, source)
            raise ConfigError(
                f"{path}: line {line}: unknown variable '{variable}'; this template may use "
                f"{', '.join(sorted(known))}"
            )

        for file in sorted(included):
            if not any((folder / file).is_file() for folder in self._folders):
                line = _line_of(file, source)
                raise ConfigError(f"{path}: line {line}: there is no template '{file}'")

    def _find(self, file: str) -> Path:
        for folder in self._folders:
            if (folder / file).is_file():
                return folder / file
        raise AssertionError(f"the recipe has no template {file}")


def _mark(value: object) -> object:
    if isinstance(value, str):
        return _Marked(value)
    return [_mark(each) for each in value] if isinstance(value, list | tuple) else value


def _of(count: int, word: str, words: str = "") -> str:
    """The filter `of`: `{{ count | of("topic") }}` is `1 topic` or `5 topics`."""
    return f"{count} {word}" if count == 1 else f"{count} {words or word + 's'}"


def _line_of(variable: str, source: str) -> int:
    lines = source.splitlines()
    return next((n for n, line in enumerate(lines, 1) if variable in line), 1)


def shown_of(known: Sequence[str], max_tokens: int) -> list[str]:
    """The last of what is known, as much as a model is told of it."""
    room, shown = KNOWN_PER_TOKEN * max_tokens, list[str]()
    for text in reversed(known[-MOST_KNOWN:]):
        # The mark and the line's end before each.
        room -= len(text.encode("utf-8", "surrogatepass")) + 3
        if room < 0:
            break
        shown.append(text)
    return shown[::-1]
