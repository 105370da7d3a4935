"""Weighted similarity between two point sets (Umeyama 1991), down to a translation when there are too few points."""

import torch
from jaxtyping import Float
from torch import Tensor


def fit_similarity(
    x: Float[Tensor, "n 2"], y: Float[Tensor, "n 2"], weights: Float[Tensor, " n"]
) -> Float[Tensor, "3 2"]:
    """Returns the affine coefficients (constant, x row, y row) of the best y ≈ c + x·A with A a rotation times a scale.

    The rotation never mirrors. One distinct point gives a translation, no point the identity.
    """
    identity = torch.cat([x.new_zeros(1, 2), torch.eye(2, dtype=x.dtype, device=x.device)])
    total = weights.sum()
    if x.shape[0] == 0 or float(total) <= 0:
        return identity
    share = (weights / total)[:, None]
    mean_x, mean_y = (share * x).sum(dim=0), (share * y).sum(dim=0)
    dx, dy = x - mean_x, y - mean_y
    spread = (share * dx.square()).sum()
    # In the plane the best rotation and scale are one complex number: conj(dx)·dy / |dx|².
    along = (share * (dx * dy)).sum()
    across = (share[:, 0] * (dx[:, 0] * dy[:, 1] - dx[:, 1] * dy[:, 0])).sum()
    length = torch.hypot(along, across)
    if float(spread) <= 1e-18 or float(length) <= 1e-12 * float(spread):
        linear = identity[1:]
    else:
        a, b = along / spread, across / spread
        linear = torch.stack([torch.stack([a, b]), torch.stack([-b, a])])
    return torch.cat([(mean_y - mean_x @ linear)[None], linear])
