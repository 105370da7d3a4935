"""How the built-in extractor was trained, and how anyone trains or fine-tunes it on pictures of their own."""
