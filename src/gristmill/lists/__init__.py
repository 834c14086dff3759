"""What a model's reply says: a list, a choice, yes or no, or one text.

A recipe asks a chat model for "20 topics" and gets a text in whatever form the model likes. It is
read here, without a second call: see `parse.parse_list` for the forms and the rules.
"""
