"""The same model in fewer bits: `gristmill quantize`.

The rounding is llm-compressor's; what is gristmill's own is which parts are left alone, and that
the folder is whole or not there at all.
"""
