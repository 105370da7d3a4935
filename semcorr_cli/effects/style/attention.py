"""Self-attention of a diffusion network, recorded; and which places of the style a place of the content may look at."""

from dataclasses import dataclass, field

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.style.parts import Parts

NEARNESS = 0.11
"""Distance from the matched place, as a share of the style's longer side, at which the bias has cost e^-½."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one attention layer did with one picture, heads apart.

    Attributes:
        query: of every place.
        key: of every place.
        value: of every place.
        attended: what attention made of them.
    """

    query: Float[Tensor, "b heads n c"]
    key: Float[Tensor, "b heads n c"]
    value: Float[Tensor, "b heads n c"]
    attended: Float[Tensor, "b heads n c"]


@dataclass(slots=True)
class Recorder:
    """Attention processor that keeps what the layers it is given to have done, in the order of their running.

    Attributes:
        seen: one entry a layer since the last `taken`.
    """

    seen: list[Seen] = field(default_factory=list)

    def taken(self) -> list[Seen]:
        """Returns what was recorded, and forgets it."""
        seen, self.seen = self.seen, []
        return seen

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: object,
    ) -> Tensor:
        """Attends as the network's own processor does."""
        batch = hidden_states.shape[0]
        query, key, value = (
            project(hidden_states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        self.seen.append(Seen(query, key, value, attended))
        merged = attended.transpose(1, 2).reshape(batch, -1, attn.heads * query.shape[-1])
        projected: Tensor = attn.to_out[1](attn.to_out[0](merged)) / attn.rescale_output_factor
        return projected


def record(unet: UNet2DConditionModel) -> Recorder:
    """Makes the self-attention of the last two blocks that have any be recorded; there looks live, not layout."""
    processors = dict(unet.attn_processors)
    blocks = sorted({name.split(".")[1] for name in processors if _is_own(name)}, key=int)[-2:]
    recorder = Recorder()
    for name in processors:
        if _is_own(name) and name.split(".")[1] in blocks:
            processors[name] = recorder
    unet.set_attn_processor(processors)
    return recorder


def _is_own(name: str) -> bool:
    return name.startswith("up_blocks.") and ".attn1." in name


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """Which places of the style belong to a place of the content, in the latents' frames.

    Attributes:
        forward: from the content to the style; None to let every place look anywhere near.
        parts: corresponding regions; None for none.
        content_hw: size of the working copy of the content, in pixels, without padding.
        style_hw: the same for the style.
    """

    forward: Warp | None
    parts: Parts | None
    content_hw: Hw
    style_hw: Hw

    def bias(self, content: "Frame", style: "Frame", tokens: tuple[int, int], beta: float) -> Float[Tensor, "n m"]:
        """Returns what is added to the logits of content queries for style keys.

        Minus infinity where the parts differ and in the padding; the further from the matched place, the less, as far
        as the match is trusted. A query with no key left may look at all of the style.

        Args:
            content: the content's frame.
            style: the style's frame.
            tokens: number of places of the layer, in the content and in the style.
            beta: weight of the nearness to the matched place.
        """
        here, there = content.places(tokens[0]), style.places(tokens[1])
        bias = torch.zeros(len(here), len(there))
        if self.forward is not None and beta > 0:
            path = self.forward.resized(self.style_hw, self.content_hw)
            inside = torch.minimum(here, coords.wh(self.content_hw, here))
            matched, weight = path.at(inside), path.confidence_at(inside)
            apart = torch.cdist(matched, there) / (NEARNESS * max(self.style_hw))
            bias -= beta * weight[:, None] * apart.square() / 2
        inside = (there <= coords.wh(self.style_hw, there)).all(dim=-1)
        bias[:, ~inside] = -torch.inf
        if self.parts is not None:
            mine = _read(self.parts.source, here, self.content_hw)
            theirs = _read(self.parts.target, there, self.style_hw)
            closed = (mine[:, None] != theirs) | ~inside
            # A row of minus infinities would make attention divide nothing by nothing.
            closed[closed.all(dim=1)] = ~inside
            bias = bias.masked_fill(closed, -torch.inf)
        return bias


@dataclass(frozen=True, slots=True)
class Frame:
    """A padded working copy.

    Attributes:
        hw: its size with padding, in pixels; the picture lies at the top left.
    """

    hw: Hw

    def places(self, tokens: int) -> Float[Tensor, "n 2"]:
        """Returns the pixel positions of a layer's places, row by row."""
        step = round((self.hw[0] * self.hw[1] / tokens) ** 0.5)
        return coords.cell_centres((self.hw[0] // step, self.hw[1] // step), self.hw)


def _read(labels: Tensor, xy: Float[Tensor, "n 2"], hw: Hw) -> Tensor:
    cells: Hw = (labels.shape[0], labels.shape[1])
    return labels.flatten().cpu()[coords.nearest_cell(xy, cells, hw)]
