import pytest

from semcorr_cli.datasets import lookalikes


def test_a_point_is_ambiguous_when_two_of_its_group_are_in_sight() -> None:
    groups = "2 3, 9 10 11 12"
    ids = [0, 2, 9, 12]
    assert lookalikes.ambiguous(groups, ids, {0, 2, 9, 12}).tolist() == [False, False, True, True]
    assert lookalikes.ambiguous(groups, ids, {0, 2, 3, 9}).tolist() == [False, True, False, False]
    assert lookalikes.ambiguous(groups, ids, {10, 11}).tolist() == [False, False, True, True]
    assert lookalikes.ambiguous(groups, [], {2, 3}).tolist() == []


@pytest.mark.parametrize("category", lookalikes.SPAIR)
def test_groups_have_two_members_or_more_and_share_none(category: str) -> None:
    groups = [group.split() for group in lookalikes.SPAIR[category].split(",")]
    assert all(len(group) > 1 for group in groups)
    members = [int(name) for group in groups for name in group]
    assert len(set(members)) == len(members)
    assert set(members) <= set(range(30))


def test_all_categories_of_spair_are_there() -> None:
    assert len(lookalikes.SPAIR) == 18
