"""Parsing and printing: no mathematics, and no torch until a command's body runs."""
