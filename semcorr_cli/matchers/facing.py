"""Evidence that matches join like ends of two things: fronts with fronts, and backs with backs.

Descriptors that say which end of a thing a place belongs to (`extractors.facing`) agree where matches join like ends,
and contradict each other where they join opposite ones.
"""

from semcorr_cli.core.features import FeatureStack, read
from semcorr_cli.core.matches import Matches


def evidence(source: FeatureStack, target: FeatureStack, matches: Matches) -> float:
    """Returns the weighted mean of the products of what two pictures say at matches; 0 where nothing matches.

    Of two maps between the pictures, one of which turns the source over, the difference is a log-likelihood ratio as
    far as the descriptors' training goes.

    Args:
        source: what is said of the source.
        target: what is said of the target.
        matches: in pictures of any size; their scores are the weights.
    """
    (there,), (here,) = source.layers.values(), target.layers.values()
    products = read(there.float(), matches.source, matches.source_hw) * read(
        here.float(), matches.target, matches.target_hw
    )
    return matches.mean(products.sum(dim=1))
