"""Teapots."""

from clay.camera import View
from clay.kind import Plate, Scene
from clay.kinds.teapot import TEAPOT
from clay.kinds.teapot import Shape as Teapot
from clay.kinds.teapot_coat import Coat as Glaze
from clay.light import Light
from clay.params import rgb
from clay.stage import ROOM, STUDIO, Stage

TEAPOTS = {
    "delft": Plate(
        TEAPOT,
        (400, 512),
        Scene(
            Teapot(belly=(0.5, 0.41), square=2.2, foot=0.3, lid=0.29, lid_high=0.11, knob=0.07),
            Glaze(
                glaze=rgb("#e9ebe6"),
                ink=rgb("#2b4f9a"),
                accent=rgb("#2b4f9a"),
                dip=0.0,
                bands=1.0,
                petals=1.0,
                speckle=0.0,
                many=9.0,
            ),
            View(azimuth=82.0, elevation=13.0, fill=0.84),
            Light(azimuth=-44.0, elevation=46.0, warmth=0.5),
            Stage(
                ROOM,
                rgb("#9a6b43"),
                rgb("#71482a"),
                rgb("#c98f5f"),
                rgb("#d09a6b"),
                rgb("#e6c49a"),
                offset=0.2,
                depth=1.8,
            ),
        ),
    ),
    "dotty": Plate(
        TEAPOT,
        (448, 448),
        Scene(
            Teapot(
                belly=(0.44, 0.47),
                square=2.9,
                foot=0.33,
                foot_high=0.035,
                neck=0.3,
                lid=0.3,
                lid_high=0.13,
                knob=0.09,
                spout_out=0.36,
                spout_up=0.4,
                spout_low=-0.12,
                handle_out=0.3,
                handle_up=0.24,
                handle_low=-0.2,
                handle_thick=0.06,
            ),
            Glaze(
                glaze=rgb("#c8483f"),
                accent=rgb("#f0e3cf"),
                ink=rgb("#f0e3cf"),
                bands=0.0,
                petals=0.0,
                dots=1.0,
                speckle=0.0,
            ),
            View(azimuth=74.0, elevation=16.0, fill=0.82),
            Light(azimuth=-40.0, elevation=52.0, warmth=0.4),
            Stage(STUDIO, rgb("#a9bfa6"), rgb("#a9bfa6"), rgb("#86a08c"), rgb("#cfdcc4"), rgb("#ffffff")),
        ),
    ),
    "stoneware": Plate(
        TEAPOT,
        (384, 512),
        Scene(
            Teapot(
                belly=(0.54, 0.35),
                square=2.0,
                foot=0.34,
                foot_high=0.06,
                neck=0.25,
                lid=0.25,
                lid_high=0.08,
                knob=0.065,
                knob_tall=1.3,
                spout_out=0.44,
                spout_up=0.24,
                spout_low=-0.06,
                spout_bow=0.14,
                spout_thick=0.13,
                handle_out=0.42,
                handle_up=0.17,
                handle_low=-0.12,
                handle_point=0.08,
                handle_thick=0.05,
            ),
            Glaze(
                glaze=rgb("#7fa79b"),
                second=rgb("#6e452c"),
                ink=rgb("#3a2a20"),
                accent=rgb("#6e452c"),
                dip=0.36,
                bands=0.0,
                petals=0.0,
                speckle=0.8,
                gilt=0.0,
            ),
            View(azimuth=92.0, elevation=11.0, fill=0.85),
            Light(azimuth=-50.0, elevation=42.0, warmth=0.7),
            Stage(
                ROOM,
                rgb("#5c4636"),
                rgb("#473528"),
                rgb("#5f6f7a"),
                rgb("#697a85"),
                rgb("#7f8f96"),
                offset=0.2,
                depth=2.0,
            ),
        ),
    ),
}
