"""One program of an answer and its tests, in the languages other than Python.

    scan.py    what a source defines and opens, its texts and comments aside
    whole.py   the answer's blocks and the prompt's head as one source
    forms.py   that source and its tests, one function a language

Here an answer shares its process with the tests. That they came to their end is told by a line that
nobody can guess, so that an answer which ends the process, or prints what a pass would print, gains
nothing; one that reads its own program and prints that line would.
"""
