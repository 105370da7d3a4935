"""The pictures of `match`: what is known of a correspondence, drawn over both pictures."""

from semcorr_cli.effects.overlay.components import components, principal_components
from semcorr_cli.effects.overlay.dense import field, heatmap
from semcorr_cli.effects.overlay.matches import numbered, side_by_side

__all__ = ["components", "field", "heatmap", "numbered", "principal_components", "side_by_side"]
