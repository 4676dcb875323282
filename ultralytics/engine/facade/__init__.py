"""Parts of the model facade: what to open, and which argument wins."""
