import pytest

from forecasting.registry import REGISTRY, check_models, new_estimator
from market.errors import InvalidParameter


def test_models_are_in_the_registry_s_order() -> None:
    assert check_models(["mlp", "ridge"]) == ["ridge", "mlp"]
    assert check_models(None) == list(REGISTRY)


@pytest.mark.parametrize("models", [["lstm"], [], ["ridge", "Ridge"]])
def test_unknown_models_are_refused(models) -> None:
    with pytest.raises(
        InvalidParameter, match="one or more of random_walk drift seasonal ridge xgboost mlp"
    ):
        check_models(models)


def test_an_estimator_is_new_each_time() -> None:
    assert new_estimator("ridge") is not new_estimator("ridge")
