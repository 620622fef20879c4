"""What `orchestrator_lite.testing` offers for annotations and for tests without pytest."""

from __future__ import annotations

import pickle

import pytest

from avtomatika_client import AvtomatikaError
from orchestrator_lite import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_is_there(name):
    assert isinstance(getattr(testing, name), type)
    assert name in dir(testing)


@pytest.mark.parametrize("name", [name for name in testing.__all__ if name.endswith("Error")])
def test_errors_are_ours_bear_their_public_name_and_pickle(name):
    error = getattr(testing, name)
    assert issubclass(error, AvtomatikaError)
    assert error.__module__ == "orchestrator_lite.testing"
    assert str(pickle.loads(pickle.dumps(error("so it is")))) == "so it is"


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testing.nothing
