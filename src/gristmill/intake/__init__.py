"""Users' files, and the sources that are built in: rows in, whoever needs them."""
