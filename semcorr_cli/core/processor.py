"""Whether tensors lie in the processor's own memory, where OpenCV, and work on strips that fit its cache, are faster.

Everything that asks has a second way for other devices, with the same results but for rounding.
"""

from torch import Tensor


def holds(tensor: Tensor) -> bool:
    """Tells whether a tensor lies in the processor's own memory."""
    return tensor.device.type == "cpu"
