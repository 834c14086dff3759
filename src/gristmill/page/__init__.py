"""What every HTML page of gristmill is made with: text made safe, numbers made readable, a frame.

`text` has the functions, `base.css` the look, `frame.html.j2` the document around a page's own
sections, and `frame` the Jinja environment that joins them with a room's own files.
"""
