"""What must come out exactly, with features of the size that users get."""

import numpy as np
from PIL import Image as Pillow


def test_a_picture_that_becomes_itself_stays_itself(semcorr, pictures, tmp_path):
    assert semcorr("morph", pictures[0], pictures[0], "--frames", 5, "-o", tmp_path / "frames", "-q").code == 0
    still = np.asarray(Pillow.open(pictures[0]).convert("RGB"), np.int16)
    for path in sorted((tmp_path / "frames").iterdir()):
        assert np.abs(np.asarray(Pillow.open(path), np.int16) - still).max() <= 1, path.name
