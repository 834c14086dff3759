"""What every page and card of gristmill is made with: text made safe, numbers readable, a frame.

`text` and `markdown` have the functions, `base.css` the look, `frame.html.j2` the document around
a page's own sections, and `frame` the Jinja environment that joins them with a room's own files.
"""
