"""The verdict on a correspondence, from signs that need no truth."""

from semcorr_cli.core.quality import Quality, Signs, Verdict


def judge(signs: Signs) -> Quality:
    """TEMP."""
    return Quality(Verdict.GOOD, 1.0, (), signs)
