"""The training run: draws groups of views, knows what it can of their pairs, and descends."""

import copy
import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semcorr_cli.extractors.network import DescriptorNet
from semcorr_cli.training import descent, objective, renders, state, views
from semcorr_cli.training.groups import VIEWS, Groups, pairs, third
from semcorr_cli.training.objective import Targets
from semcorr_cli.training.options import TrainOptions
from semcorr_cli.training.pictures import Pictures
from semcorr_cli.training.teacher import Teacher
from semcorr_cli.training.views import Views

Figures = dict[str, float]
Develop = Callable[[DescriptorNet], Mapping[str, float]]
EVERY = 50
"""Steps between lines of the log."""


class Trainer:
    """A run in a folder; constructed on a folder with a checkpoint, it goes on where that left off."""

    def __init__(
        self, pictures: Pictures, options: TrainOptions, folder: Path, start: DescriptorNet | None = None
    ) -> None:
        """Prepares a run.

        Args:
            pictures: what to learn from.
            options: how.
            folder: where the checkpoint, the log and the best weights go.
            start: a network to fine-tune; a new one by default.
        """
        self.pictures, self.options, self.folder = pictures, options, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.chance = torch.Generator().manual_seed(options.seed)
        self.groups = Groups(pictures, options.groups)
        self.loose = torch.tensor([int(c) in pictures.loose for c in pictures.category.tolist()])
        self.network = _network(options, len(pictures.names), start)
        self.sharpness = nn.Parameter(torch.tensor(15.0).log())
        self.optimiser = _optimiser(self.network, self.sharpness, options)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        self.teacher: Teacher | None = None
        self.teacher_weights: dict[str, Tensor] | None = None
        if (saved := state.restore(folder)) is not None:
            self._load(saved)

    def run(
        self,
        progress: Callable[[int, int, Figures], None] | None = None,
        develop: Develop | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Trains to the last step, or until told to stop; saves and returns.

        Args:
            progress: told after every step: steps done, all steps, losses.
            develop: scores a network; the best by its "score" is kept as `best.pt`.
            stop: asked between steps.
        """
        o, sums, since = self.options, Figures(), time.monotonic()
        while self.step < o.steps and not (stop is not None and stop()):
            self._teach()
            figures = self.train_step()
            for key, value in figures.items():
                sums[key] = sums.get(key, 0.0) + value / EVERY
            if progress is not None:
                progress(self.step, o.steps, figures)
            if self.step % EVERY == 0:
                now = time.monotonic()
                self.seconds, since = self.seconds + now - since, now
                rounded = {key: round(value, 4) for key, value in sums.items()}
                state.note(self.folder, step=self.step, **rounded, rate=o.rate(self.step), seconds=round(self.seconds))
                sums = Figures()
            if develop is not None and (self.step % o.develop == 0 or self.step == o.steps):
                self._score(develop)
            if self.step % o.checkpoint == 0:
                self.save()
        self.save()

    def train_step(self) -> Figures:
        """Does one step and returns its losses."""
        o, g, weights = self.options, self.chance, self.options.loss
        index = self.groups.draw(self.teacher, g)
        mirror = (torch.rand(o.groups.count, generator=g) < 0.5).repeat_interleave(VIEWS)
        sizes = o.stage(self.step).sizes
        hw = sizes[int(torch.randint(len(sizes), (1,), generator=g))]
        seen = views.make(self.pictures, index, mirror, hw, o.views, g)
        with torch.autocast("cpu", torch.bfloat16):
            maps, pooled = self.network(seen.images.to(memory_format=torch.channels_last))
            logits = None if self.network.classify is None else self.network.classify(pooled)
        features = functional.normalize(maps.float().flatten(2).transpose(1, 2), dim=2).to(torch.bfloat16)
        scale = self.sharpness.clamp(max=4.0).exp()
        group = torch.arange(len(index)) // VIEWS
        queries = objective.draw_queries(seen, weights, g)
        other = objective.negatives(features, queries, group, scale, weights, g)
        targets, same, fitted = self._targets(index, group, seen, queries)
        size = self.pictures.hw[index].flip(1)
        loss, weight = objective.dense(
            features, seen, queries, targets, size / size.amax(1, keepdim=True), scale, other, weights
        )
        loss_same = (loss * weight)[same].sum() / weight[same].sum().clamp(min=1)
        loss_pair = (loss * weight)[~same].sum() / weight[~same].sum().clamp(min=1)
        loss_class = torch.zeros(())
        known = ~self.loose[index]
        if logits is not None and known.any():
            truth = self.pictures.category[index][known]
            loss_class = functional.cross_entropy(logits.float()[known], truth, label_smoothing=0.1)
        total = weights.same_weight * loss_same + loss_pair + weights.classes * loss_class
        norm = self._descend(total)
        return {
            "same": loss_same.item(), "pair": loss_pair.item(), "class": loss_class.item(), "norm": norm,
            "scale": scale.item(), "fitted": fitted,
        }  # fmt: skip

    def _targets(self, index: Tensor, group: Tensor, seen: Views, queries: Tensor) -> tuple[Targets, Tensor, float]:
        """Returns what is known of all pairs of views in groups, which are of one picture, and how well others fit."""
        o = self.options
        a, b = pairs(group)
        same = index[a] == index[b]
        alike = (self.pictures.category[index[a]] == self.pictures.category[index[b]]) & ~self.loose[index[a]]
        stray = ~same & ~alike
        xy = objective.rows(seen.at, queries)[a]
        level = torch.zeros(len(a))
        trust = torch.where(same, 1.0, torch.where(alike, 1.0, 0.0))[:, None].expand(xy.shape[:2]).clone()
        sigma = torch.where(same, o.same_sigma, o.prior_sigma.at(self.step))
        if self.teacher is not None and (i := (~same).nonzero()[:, 0]).numel():
            m = self.teacher.map(index[a[i]], index[b[i]], xy[i], third(index, group[a[i]], a[i], b[i]))
            level[i] = torch.where(stray[i] & (m.level < 1), 0.0, m.level)
            use = level[i] > 0
            xy[i[use]] = m.xy[use]
            good = o.teacher.sigma.at(self.step)
            sigma = torch.where(level == 1, good, torch.where(level > 0, max(o.teacher.fair_sigma, 1.5 * good), sigma))
            weight = torch.where(level == 1, 1.0, torch.where(level > 0, o.teacher.fair_trust, o.teacher.prior_trust))
            weight = torch.where(stray, o.teacher.stray_trust * (level == 1), weight)
            local = torch.ones_like(trust)
            local[i] = m.trust
            trust = torch.where(same[:, None], trust, weight[:, None] * torch.where(level[:, None] > 0, local, 1.0))
        if self.pictures.exact is not None:
            exact = self.pictures.exact
            row = exact.row[index[a]]
            paired = (row >= 0) & (exact.partner[row.clamp(min=0)] == index[b]) & ~same
            if (i := paired.nonzero()[:, 0]).numel():
                found = renders.look_up(exact, row[i], objective.rows(seen.at, queries)[a[i]])
                visible = found.isfinite().all(2)
                xy[i] = found.nan_to_num(0.5)
                trust[i] = visible.float()
                sigma = torch.where(paired, o.exact_sigma, sigma)
        return Targets(a, b, xy, sigma, trust), same, level[~same].mean().item() if (~same).any() else 0.0

    def _descend(self, total: Tensor) -> float:
        o = self.options
        for group in self.optimiser.param_groups:
            group["lr"] = o.rate(self.step) * group["pace"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), o.clip)
        self.optimiser.step()
        keep = min(o.average, (self.step + 1) / (self.step + 20))
        descent.average_into(self.average, self.network, keep)
        self.step += 1
        return norm.item()

    def _teach(self) -> None:
        """Makes the averaged network the teacher when it is time, or the old one again after a pause."""
        t = self.options.teacher
        due = self.step >= t.start and (self.step - t.start) % t.every == 0
        if self.step < t.start or not (due or self.teacher is None):
            return
        if due or self.teacher_weights is None:
            self.teacher_weights = copy.deepcopy(self.average.state_dict())
        network = copy.deepcopy(self.average)
        network.load_state_dict(self.teacher_weights)
        self.teacher = None
        self.teacher = Teacher(network, self.pictures, self.options.fit)

    def _score(self, develop: Develop) -> None:
        figures = dict(develop(self.average))
        state.note(self.folder, step=self.step, development=figures)
        if figures["score"] > self.best:
            self.best = figures["score"]
            best = {"average": self.average.state_dict(), "step": self.step, "development": figures}
            state.save(self.folder, best, "best.pt")

    def save(self) -> None:
        """Writes the checkpoint."""
        saved = {
            "network": self.network.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimiser": self.optimiser.state_dict(), "sharpness": self.sharpness.data, "best": self.best,
            "chance": self.chance.get_state(), "seconds": self.seconds, "teacher": self.teacher_weights,
            "options": dataclasses.asdict(self.options),
        }  # fmt: skip
        state.save(self.folder, saved)

    def _load(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.sharpness.data.copy_(saved["sharpness"])
        self.step, self.best, self.seconds = saved["step"], saved["best"], saved["seconds"]
        self.chance.set_state(saved["chance"])
        self.teacher_weights = saved["teacher"]


def _network(o: TrainOptions, classes: int, start: DescriptorNet | None) -> DescriptorNet:
    """Returns a new network, or one that starts from another; a lone category needs no classifier."""
    sizes = o.network if start is None else start.options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(o.seed)
        network = DescriptorNet(dataclasses.replace(sizes, classes=classes if classes > 1 else 0))
    if start is not None:
        network.load_state_dict(start.state_dict(), strict=False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _optimiser(network: DescriptorNet, sharpness: nn.Parameter, o: TrainOptions) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019): no decay of biases and norms; the temperature learns three times as fast."""
    groups = descent.decayed(network.parameters(), o.weight_decay)
    groups.append({"params": [sharpness], "weight_decay": 0.0, "pace": 3.0})
    return torch.optim.AdamW(groups, lr=o.stages[0].rate, betas=(0.9, 0.98), fused=True)
