"""Running a network only as far as the last of the outputs that are wanted."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn


class _Enough(Exception):
    """Everything wanted has been computed."""


def tapped(run: Callable[[], object], modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Returns the outputs of modules in one forward pass, which ends as soon as all have been seen.

    Args:
        run: starts the pass.
        modules: by name; of an output that is a tuple, the first entry counts.
    """
    seen: dict[str, Tensor] = {}

    def tap(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            seen[name] = output[0] if isinstance(output, tuple) else output
            if len(seen) == len(modules):
                raise _Enough

        return hook

    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.callback(module.register_forward_hook(tap(name)).remove)
        try:
            run()
        except _Enough:
            return seen
    raise KeyError(f"the pass went by without {set(modules) - set(seen)}")
