"""What is Keras's own, and what is told where it can't be."""

import os
import subprocess
import sys
from typing import Any

import pytest

from cryptodask.errors import MissingExtraError, OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.lstm.keras_learning import import_keras
from tests.models.conftest import QUICK, make_panel


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_without_keras_or_tensorflow_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cryptodask\[lstm\]'"):
        import_keras.__wrapped__()


def test_another_backend_of_keras_is_refused_before_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(OptionError, match="Keras's backend is 'jax'; unset KERAS_BACKEND"):
        import_keras.__wrapped__()
    assert "keras" not in sys.modules


def test_another_backend_that_keras_has_already_is_refused(
    keras: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(OptionError, match="Keras's backend is 'torch'"):
        import_keras.__wrapped__()


def test_without_keras_the_usual_options_go_on_and_others_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    import_keras.cache_clear()
    panel = make_panel([60])
    assert run_model(create_model("lstm", **QUICK["lstm"]), panel, 3).failures == []
    for option in ({"optimizer": "ftrl"}, {"loss": "log_cosh"}):
        model = create_model("lstm", **QUICK["lstm"], **option)
        with pytest.raises(
            MissingExtraError, match="the losses mse, mae and huber and the optimisers sgd"
        ):
            run_model(model, panel, 3)


@pytest.mark.slow
def test_keras_starts_quietly() -> None:
    code = "from cryptodask.models.lstm.keras_learning import import_keras; import_keras()"
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert "oneDNN custom operations" not in done.stderr
    assert "absl::InitializeLog" not in done.stderr
