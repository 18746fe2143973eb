"""Tests that share a built model stay on one worker; else each worker builds it again."""

import pytest


@pytest.mark.xdist_group("groups hold")
def test_a_group_is_known_to_the_scheduler(request):
    if request.config.getoption("loadgroup", default=None) is not True:
        pytest.skip("not run with --dist loadgroup: nothing is grouped")
    assert request.node.nodeid.endswith("@groups hold")
