"""Serving installs and starts light: it loads no training library."""

import subprocess
import sys

TRAINING = ("sklearn", "xgboost", "scipy")


def loaded_after(statement: str) -> set[str]:
    """Return which training libraries a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stdout.split()} & set(TRAINING)


def test_serving_loads_no_training_library() -> None:
    modules = ("app", "catalogue", "forecaster", "scheduler", "shapes")
    statement = "; ".join(f"import forecasting.serve.{module}" for module in modules)

    assert loaded_after(statement) == set()


def test_the_command_line_loads_nothing_heavy_by_itself() -> None:
    assert loaded_after("import forecasting.cli") == set()


def test_training_does_load_them() -> None:
    assert "sklearn" in loaded_after("import forecasting.estimators.ridge")
