"""Checks a folder of pictures and truth by its files alone: python samples/check.py [DIR].

For every pair: how far off a pixel lands that is carried to the source and back (where both maps know it), and how far
the map carries the target's keypoints from the source's own.
"""

from clay.checking import main

if __name__ == "__main__":
    main(__doc__)
