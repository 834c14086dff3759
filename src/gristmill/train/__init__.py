"""Training. Importing this loads nothing heavy."""
