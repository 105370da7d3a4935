import math

import torch

from semcorr_cli.core.procrustes import fit_similarity


def apply(coefficients: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return coefficients[0] + x @ coefficients[1:]


def test_recovers_rotation_scale_and_shift() -> None:
    x = torch.rand(30, 2, dtype=torch.float64)
    angle = 0.7
    rotation = 1.7 * torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]).double()
    y = x @ rotation + torch.tensor([3.0, 4.0])
    assert torch.allclose(apply(fit_similarity(x, y, torch.ones(30).double()), x), y, atol=1e-12)


def test_weight_zero_is_no_say() -> None:
    x = torch.rand(20, 2, dtype=torch.float64)
    y = x + 5
    y[0] += 100
    weights = torch.ones(20, dtype=torch.float64)
    weights[0] = 0
    assert torch.allclose(apply(fit_similarity(x, y, weights), x[1:]), y[1:], atol=1e-9)


def test_never_mirrors() -> None:
    x = torch.rand(20, 2, dtype=torch.float64)
    mirrored = torch.stack([-x[:, 0], x[:, 1]], dim=1)
    linear = fit_similarity(x, mirrored, torch.ones(20).double())[1:]
    assert float(torch.linalg.det(linear)) > 0


def test_too_few_points_give_a_translation_and_none_the_identity() -> None:
    one = torch.tensor([[2.0, 3.0]]).double()
    assert torch.allclose(apply(fit_similarity(one, one + 7, torch.ones(1).double()), one), one + 7)
    assert torch.allclose(fit_similarity(one, one + 7, torch.ones(1).double())[1:], torch.eye(2).double())
    none = one[:0]
    assert torch.equal(fit_similarity(none, none, none[:, 0])[1:], torch.eye(2).double())
