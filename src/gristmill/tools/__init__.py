"""Tools that a model may call while it answers: what they are, who answers, and the play itself."""
