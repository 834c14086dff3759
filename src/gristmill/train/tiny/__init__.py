"""The recipe of the embedded tiny family: `python -m gristmill.train.tiny`, or `make tiny`."""
