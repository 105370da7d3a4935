"""The pictures of this folder, and which of them make pairs."""

from itertools import permutations

from clay.gallery.animals import ANIMALS
from clay.gallery.cars import CARS
from clay.gallery.faces import FACES
from clay.gallery.teapots import TEAPOTS
from clay.kind import Plate
from clay.kinds.car import CAR
from clay.kinds.face import FACE
from clay.kinds.quadruped import QUADRUPED
from clay.kinds.teapot import TEAPOT

KINDS = {kind.name: kind for kind in (QUADRUPED, FACE, CAR, TEAPOT)}
GALLERY: dict[str, Plate] = {**ANIMALS, **FACES, **CARS, **TEAPOTS}


# Every two pictures of a kind, both ways.
PAIRS = [(one, two) for one, two in permutations(GALLERY, 2) if GALLERY[one].kind is GALLERY[two].kind]
