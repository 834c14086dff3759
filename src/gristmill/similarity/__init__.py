"""How alike two texts are, and which of many earlier texts is most like a new one.

`words` is what all of it compares; `minhash` finds near duplicates among hundreds of thousands
(and `signs`, `short`, `negation` what makes two of them different after all),
`rouge` the nearest of some ten thousand, `overlap` what a text shares with a benchmark; `vectors`
compares meanings, by embeddings.
"""
