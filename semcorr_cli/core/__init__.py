"""The nouns and their mathematics: tensors only, no files, no models.

Conventions, stated once for the whole package:

    point        (x, y) float32 in pixels of the upright original image. The image's top-left *corner* is (0, 0) and the
                 first pixel's centre is (0.5, 0.5), so that resizing a picture multiplies its points and nothing else.
    size         hw = (height, width); such names end in `_hw`.
    normalised   2·xy/(w, h) − 1, `align_corners=False`, only inside calls that sample a grid.
    image        (3, h, w) float32 sRGB in [0, 1], alpha apart; alpha is blended and resampled premultiplied.
    features     (c, h, w), unit L2 norm over c; the grid covers the whole image exactly.
    warp         backward map: for every target pixel, where to read in the source.
    confidence   in [0, 1]; 0 means "no correspondence"; never NaN.
    names        `source` and `target` in interfaces, `_s` and `_t` in locals.
    precision    splines are fitted in float64, sampling grids are never below float32.

Outside formats (annotations, OpenCV, our JSON and CSV) put (0, 0) at the first pixel's *centre*; `datasets` and
`io.warps` translate at the door with `coords.from_centre_origin` and `coords.to_centre_origin`.
"""
