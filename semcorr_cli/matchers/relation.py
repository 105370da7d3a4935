"""What two pictures are to each other, as a small network tells from their descriptors.

By how much is the source turned against the target, is it mirrored, how many times larger is it, and do the two show
one kind of thing at all? The network sees how alike every cell of the one picture is to every cell of the other (Rocco,
Arandjelović, Sivic, "Convolutional neural network architecture for geometric matching", 2017), and a little of the
descriptors themselves. It is shown the source in several poses; what it says of each is carried over to the source as
it is, and the votes are averaged. It was trained by `semcorr_cli.training.relations` on the built-in extractor's
descriptors and knows no others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.matchers import placing
from semcorr_cli.matchers.placing import TEMPERATURE

WEIGHTS = "relation.safetensors"
"""The file that holds the trained network."""

GRID = 16
"""Cells along a side of the square that either picture is laid into."""

FINER = 3
"""Samples along a cell's side that its descriptor is the mean of."""

ANGLES = 24
"""Turns that are told apart, in steps of 360° / 24 from 0° on."""

STEP = 360 / ANGLES

OCTAVES = tuple(0.5 * k - 2.25 for k in range(10))
"""Enlargements that are told apart, as powers of two."""


@dataclass(frozen=True, slots=True)
class RelationOptions:
    """Sizes of the network.

    Attributes:
        channels: of the descriptors that it compares.
        width: channels made of a cell's similarities.
        deep: channels of the later layers.
        own: channels made of the descriptors themselves.
        hidden: width of the last layers.
    """

    channels: int = 128
    width: int = 64
    deep: int = 96
    own: int = 32
    hidden: int = 256


class Convolution(nn.Module):
    """Convolution, batch normalisation and a rectifier on maps (b, h, w, c), by one product of matrices."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.linear = nn.Linear(inputs * kernel * kernel, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the layer's output."""
        k, s, edge = self.kernel, self.stride, (self.kernel - 1) // 2
        if k > 1:
            x = functional.pad(x, (0, 0, edge, edge, edge, edge))
            last = [(side - k) // s * s + 1 for side in x.shape[1:3]]
            shifted = [x[:, i : i + last[0] : s, j : j + last[1] : s] for i in range(k) for j in range(k)]
            x = torch.cat(shifted, dim=-1)
        y = self.linear(x)
        out: Tensor = functional.relu(self.norm(y.flatten(0, -2).float()).view(y.shape))
        return out


class RelationNet(nn.Module):
    """Similarities and descriptors of two pictures, each reduced to 4 × 4 places, and two layers that see all of it."""

    def __init__(self, options: RelationOptions = RelationOptions()) -> None:
        super().__init__()
        self.options = o = options
        self.alike = nn.Sequential(
            Convolution(2 * GRID * GRID + 2, o.width, 1, 1),
            Convolution(o.width, o.deep, 4, 2),
            Convolution(o.deep, o.deep, 3, 1),
            Convolution(o.deep, o.deep, 4, 2),
        )
        self.own = nn.Sequential(
            Convolution(o.channels, o.own, 1, 1), Convolution(o.own, o.own, 4, 2), Convolution(o.own, o.own, 4, 2)
        )
        places = (GRID // 4) ** 2
        layers: list[nn.Module] = []
        for inputs in ((o.deep + 2 * o.own) * places, o.hidden):
            layers += [nn.Dropout(0.2), nn.Linear(inputs, o.hidden), nn.BatchNorm1d(o.hidden), nn.ReLU()]
        self.join = nn.Sequential(*layers)
        self.out = nn.Linear(o.hidden, ANGLES + len(OCTAVES) + 1)

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compares squares of descriptors (b, c, GRID, GRID), zero where there is no picture.

        Returns:
            Scores of turns (b, ANGLES), to be compared with those of the mirrored source; logits of octaves
            (b, len(OCTAVES)); and of the two showing one kind of thing (b,).
        """
        b = len(source)
        cosines = torch.bmm(source.flatten(2).transpose(1, 2), target.flatten(2)).float()
        own = self.own(4 * torch.cat([source, target]).permute(0, 2, 3, 1)).flatten(1)
        x = self.join(torch.cat([self.alike(_seen(cosines)).flatten(1), own[:b], own[b:]], dim=1))
        turns, octaves, kin = self.out(x).float().split([ANGLES, len(OCTAVES), 1], dim=1)
        return turns, octaves, kin[:, 0]


def _seen(cosines: Tensor) -> Tensor:
    """Returns what is seen of similarities (b, s, t), a map over the source's cells (b, GRID, GRID, channels)."""
    with torch.no_grad():
        forth, back = (cosines / TEMPERATURE).softmax(2), (cosines / TEMPERATURE).softmax(1)
        level = cosines.relu()
        level = level / (level.norm(dim=2, keepdim=True) + 0.2)
        cycle, best = (forth * back).sum(2, keepdim=True), cosines.amax(2, keepdim=True)
        return 4 * torch.cat([forth, level, cycle, best], dim=2).view(-1, GRID, GRID, 2 * GRID * GRID + 2)


def square(features: FeatureMap) -> Float[Tensor, "c g g"]:
    """Returns descriptors on the square that a picture is laid into the middle of, zero beside the picture."""
    return square_each([features])[0]


def square_each(features: Sequence[FeatureMap]) -> list[Float[Tensor, "c g g"]]:
    """Returns the squares of several pictures; those of one size are laid out together, on all threads."""
    sizes: dict[tuple[Hw, Hw], list[int]] = {}
    for number, one in enumerate(features):
        sizes.setdefault((one.hw, one.image_hw), []).append(number)
    laid_out: dict[int, Tensor] = {}
    for (_, image_hw), numbers in sizes.items():
        maps = torch.stack([features[number].data.cpu().float() for number in numbers])
        laid_out.update(zip(numbers, squares(maps, image_hw), strict=True))
    return [laid_out[number] for number in range(len(features))]


def squares(maps: Float[Tensor, "b c h w"], image_hw: Hw) -> Float[Tensor, "b c g g"]:
    """Does so for descriptors of pictures of one size."""
    h, w = image_hw
    at = (torch.arange(GRID * FINER) + 0.5) / (GRID * FINER) * 2 - 1
    y, x = torch.meshgrid(at * max(h, w) / h, at * max(h, w) / w, indexing="ij")
    grid = torch.stack([x, y], -1)[None].expand(len(maps), -1, -1, -1)
    read = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    read = read * ((x.abs() <= 1) & (y.abs() <= 1))
    return functional.normalize(functional.avg_pool2d(read, FINER), dim=1, eps=1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """What a source is to a target.

    Attributes:
        turns: log-probabilities (2, ANGLES) of the turns after which it looks like the target; mirrored ones second.
        octaves: probabilities (len(OCTAVES),) of the enlargements.
        kin: chance that the two show one kind of thing.
        looked_at: squares of the source in the poses in which it was looked at.
        target: that of the target; None where there are none.
    """

    turns: Float[Tensor, "two angles"]
    octaves: Float[Tensor, " octaves"]
    kin: float
    looked_at: Mapping[Pose, Float[Tensor, "c g g"]] = field(default_factory=dict)
    target: Float[Tensor, "c g g"] | None = None

    @property
    def scale(self) -> float:
        """The expected enlargement, to a quarter of an octave."""
        octave = float((self.octaves * torch.tensor(OCTAVES)).sum())
        return float(2 ** (round(4 * octave) / 4))

    def log_probability(self, pose: Pose) -> float:
        """Returns the log-probability of the turns about that of a pose."""
        return float(_around(self.turns).logsumexp(0)[_bin(pose)])

    def on_side(self, *, mirrored: bool) -> "Relation":
        """Returns the same without the turns of the other side."""
        turns = torch.full_like(self.turns, -torch.inf)
        turns[int(mirrored)] = self.turns[int(mirrored)]
        return replace(self, turns=turns)

    def likely(self, count: int) -> list[Pose]:
        """Returns the likeliest poses, the likeliest first, no two of them within two steps of each other.

        An angle is the mean of a peak and its neighbours, to five degrees.
        """
        around = _around(self.turns)
        left, shift = around.logsumexp(0), (around.softmax(0) * torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1)).sum(0)
        found = []
        for _ in range(count):
            mirrored, k = divmod(int(left.argmax()), ANGLES)
            angle = 5.0 * round((k + float(shift[mirrored, k])) * STEP / 5)
            found.append(self._placed(Pose(bool(mirrored), 180 - (180 - angle) % 360, self.scale)))
            left[mirrored, torch.arange(k - 2, k + 3) % ANGLES] = -torch.inf
        return found

    def _placed(self, turned: Pose) -> Pose:
        """Returns a pose laid where the target has its like."""
        if self.target is None:
            return turned
        return placing.placed(turned, self.looked_at, self.target, _read_octaves(self.octaves))


def _read_octaves(octaves: Float[Tensor, " octaves"]) -> Float[Tensor, " votes"]:
    """Returns the probabilities of `OCTAVES`, between them, where `placing` votes."""
    at = (placing.OCTAVES - OCTAVES[0]) / (OCTAVES[1] - OCTAVES[0])
    low = at.long()
    return torch.lerp(octaves[low], octaves[low + 1], at - low)


def _bin(pose: Pose) -> tuple[int, int]:
    """Returns which turn a pose is."""
    return int(pose.mirrored), round(pose.angle / STEP) % ANGLES


def _around(turns: Float[Tensor, "two angles"]) -> Float[Tensor, "three two angles"]:
    """Returns the values of the turn before each, of itself, and of the one after."""
    return torch.stack([turns.roll(1, 1), turns, turns.roll(-1, 1)])


def mutual(source: Float[Tensor, "c g g"], target: Float[Tensor, "c g g"]) -> float:
    """Returns how many cells of two squares find each other: the products of the chances of going there and back."""
    return float(placing.meetings(source, target).sum())


def relate(looked_at: Mapping[Pose, Float[Tensor, "c g g"]], target: Float[Tensor, "c g g"]) -> Relation:
    """Relates a source to a target.

    Args:
        looked_at: squares of the source in some poses whose angles are multiples of `STEP`, as many mirrored as not,
            if any.
        target: that of what it is related to.
    """
    network = load()
    seen = torch.stack(list(looked_at.values()))
    whole = target[None].expand_as(seen)
    turns, octaves, kin = network(seen, whole)
    turns_back, octaves_back, kin_back = network(whole, seen)
    bins = torch.arange(ANGLES)
    scores = (turns + turns_back[:, -bins % ANGLES]) / 2
    votes = torch.full((2, ANGLES), -torch.inf)
    for mirrored in {pose.mirrored for pose in looked_at}:
        own = [(pose, score) for pose, score in zip(looked_at, scores, strict=True) if pose.mirrored == mirrored]
        # A turn by a in this pose is one by a plus the pose's own angle.
        said = [score[(bins - round(pose.angle / STEP)) % ANGLES] for pose, score in own]
        votes[int(mirrored)] = torch.stack(said).mean(0)
    turned = votes.flatten().log_softmax(0).view(2, ANGLES)
    # How large the source is, is best told where it is seen as the target is.
    sizes = (octaves.log_softmax(1) + octaves_back.flip(1).log_softmax(1)) / 2
    about = _around(turned).logsumexp(0)
    sure = torch.tensor([about[_bin(pose)] for pose in looked_at]).softmax(0)
    kinship = float(((kin + kin_back).mean() / 2).sigmoid())
    return Relation(turned, (sure[:, None] * sizes).sum(0).softmax(0), kinship, looked_at, target)


def read(path: Path) -> RelationNet:
    """Reads a network whose options lie in the file's metadata."""
    with safe_open(path, "pt") as file:
        options = RelationOptions(**json.loads(file.metadata()["relation"]))
        state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (no mapping)
    network = RelationNet(options)
    network.load_state_dict(state, strict=False)
    return network.eval()


@cache
def load() -> RelationNet:
    """Returns the network of the package."""
    with resources.as_file(resources.files(__package__).joinpath(WEIGHTS)) as path:
        return read(path)
