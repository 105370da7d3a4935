"""What one does with a correspondence: one file a verb, functions from pictures to pictures."""
