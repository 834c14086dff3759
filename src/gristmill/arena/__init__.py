"""The arena: battles, votes, and ratings that can be trusted."""
