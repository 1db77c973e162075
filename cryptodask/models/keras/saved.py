"""What a ``.keras`` file may hold: settings of Keras's own classes, and weights; no code."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from cryptodask.errors import OptionError

MODULES = frozenset(
    f"keras.{name}"
    for name in (
        "activations", "constraints", "initializers", "layers", "losses", "metrics", "models",
        "optimizers", "optimizers.schedules", "regularizers", "dtype_policies",
    )
) | {"keras"}  # fmt: skip
"""The modules whose classes a file may name; so are those below `INSIDE`."""

INSIDE = ("keras.src.models.", "keras.src.ops.", "keras.src.layers.", "keras.src.dtype_policies.")

VALUES = frozenset(f"__{name}__" for name in ("keras_tensor", "tensor", "numpy", "slice", "tuple",
                                              "bytes", "ellipsis"))  # fmt: skip
"""Names under which Keras writes plain values."""

REFUSED = frozenset(
    [
        "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup",
        "IntegerLookup", "TextVectorization",
    ]
)  # fmt: skip
"""Layers that run code, or read files that their settings name."""


def check_content(place: str, content: bytes) -> int | None:
    """Return the rows that a file's input takes, if it needs no code but Keras's own.

    Keras's own safe mode looks for lambdas; here nothing passes that is not on a list.

    Parameters
    ----------
    place : str
        For the message.
    content : bytes

    Returns
    -------
    int or None
        Rows of a window; None where the network takes any number of them.

    Raises
    ------
    OptionError
        It is not a ``.keras`` file, or names a class that is not Keras's, or one that runs code.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise OptionError(
            f"keras:{place}: is not a .keras file ({error}); write one by model.save('NAME.keras')"
        ) from error
    for node in _objects(config):
        reason = _reason(node)
        if reason:
            raise OptionError(
                f"keras:{place}: {reason}; only layers, losses and optimisers of Keras are loaded, "
                "since anything else would run code from the file; write a function that builds "
                "the network, and name it as keras:MODULE:BUILDER"
            )
    return _rows_of_input(config)


def _rows_of_input(config: Any) -> int | None:
    """Return the rows of the input of a network, ``(None, rows, features)``, if it says them."""
    settings = config.get("config") if isinstance(config, dict) else None
    layers = settings.get("layers") if isinstance(settings, dict) else None
    shapes = [
        node["config"].get("batch_shape")
        for node in (layers if isinstance(layers, list) else ())
        if isinstance(node, dict)
        and node.get("class_name") == "InputLayer"
        and isinstance(node.get("config"), dict)
    ]
    match shapes:
        case [[_, int(rows), _]]:
            return rows
    return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects that settings name, however deep."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _reason(node: dict[str, Any]) -> str:
    """Return why an object is refused, or nothing."""
    name, module = str(node["class_name"]), node.get("module")
    registered = str(node.get("registered_name") or "")
    if name in VALUES and module is None:
        return ""
    if name in REFUSED:
        return f"has a layer {name}, which runs code or reads files"
    ours = isinstance(module, str) and (module in MODULES or module.startswith(INSIDE))
    if not ours or ">" in registered or not name.isidentifier() or name.startswith("_"):
        return f"names {registered or name} of {module or 'no module'}, which is not Keras's own"
    return ""
