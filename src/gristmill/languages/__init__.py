"""Natural languages: by code and name (`names`), and which one a text is in (`detect`)."""

from gristmill.languages.names import LANGUAGES, Language, language_of

__all__ = ["LANGUAGES", "Language", "language_of"]
