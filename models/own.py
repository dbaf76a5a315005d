"""The door for a user's own model: ``mymodels.py:Net`` or ``mypackage.module:Net``.

Such a name says where a function or class lies that is called as ``Net(inputs,
num_classes)`` and returns a feature extractor: an ``nn.Module`` that maps a batch to (batch,
width) features. Pooling to the common width and the head are put behind it. How wide its
features are is found by one batch of noise.

The server names a model and nothing more: a device imports what lies on it, a file or an
installed package, or what the app bundle has brought. A file stands by itself, under no
name that others could import, so it may be called ``models.py``; it is read anew whenever
its contents changed.
"""

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, final

import torch
from torch import Tensor, nn

from models.body import Body
from strategies.common.errors import ModelError, SettingsError, StoreError
from strategies.common.home import expanded
from strategies.common.inputs import Inputs

FORMS = "a model of your own is named mymodels.py:Net, or mypackage.module:Net if it is installed"

_CALL = "Net(inputs, num_classes)"
# Folder that the app bundle unpacks to, or the checkout.
_ROOT = Path(__file__).parents[1]
_NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_SUFFIX = ".py"
# No size that a network's other axes often have.
_PROBED = 3
_LISTED = 20


@final
@dataclass(frozen=True)
class OwnModel:
    """A user's model as it was named.

    Attributes
    ----------
    place : str
        A file that ends in ``.py``, or a module.
    name : str
        What stands in it.
    """

    place: str
    name: str

    def __str__(self) -> str:
        """Return it as the user wrote it."""
        return f"{self.place}:{self.name}"


def is_own(name: str) -> bool:
    """Tell whether a model's name is meant for this door."""
    return ":" in name


def parse(what: str, name: str) -> OwnModel:
    """Read a name of the form ``<file>.py:<name>`` or ``<module>:<name>``.

    Parameters
    ----------
    what : str
        Where it was set, for the message.
    name : str
        The text.

    Raises
    ------
    SettingsError
        If it is of neither form.
    """
    place, _, found = name.rpartition(":")
    is_file = place.endswith(_SUFFIX) and place != _SUFFIX
    if not _NAME.fullmatch(found) or not (is_file or _MODULE.fullmatch(place)):
        raise SettingsError(
            f"{what}: expected a file or module and a name in it, got {name!r}; {FORMS}"
        )
    return OwnModel(place, found)


def check_here(own: OwnModel) -> None:
    """Refuse a model that lies on this machine and is none; one that does not is let pass.

    A server may lack what its devices have, or the libraries that it needs.

    Raises
    ------
    ModelError
        If it lies here and cannot be called.
    """
    try:
        find(own)
    except (NotHereError, _NotImportedError):
        return


def find(own: OwnModel) -> Callable[[Inputs, int], object]:
    """Import what builds a user's model.

    Raises
    ------
    NotHereError
        If there is no such file or module.
    ModelError
        If it cannot be imported, or holds nothing of that name that can be called.
    """
    module = _module(own)
    found: Any = getattr(module, own.name, None)
    if found is None:
        raise ModelError(
            f"model {own}: expected {own.name} in {own.place}, found {_listed(module)}; name one "
            f"of these, or write it"
        )
    if isinstance(found, nn.Module) or not callable(found):
        raise ModelError(
            f"model {own}: expected a class or function that is called as {_CALL}, found a "
            f"{type(found).__name__}; name what builds the network"
        )
    maker: Callable[[Inputs, int], object] = found
    return maker


def build(own: OwnModel, inputs: Inputs, num_classes: int) -> Body:
    """Build a user's feature extractor and measure how wide its features are.

    Parameters
    ----------
    own : OwnModel
        Where it lies.
    inputs : Inputs
        What it must read.
    num_classes : int
        Classes of the task, for networks that depend on them.

    Returns
    -------
    Body
        In train mode; random draws come from the global generator, which the caller seeds.

    Raises
    ------
    ModelError
        If it is not there, raises, or is no feature extractor; saying what to do.
    """
    maker = find(own)
    _refuse_other_arguments(own, maker, inputs, num_classes)
    try:
        network = maker(inputs, num_classes)
    except Exception as error:
        raise ModelError(
            f"model {own}: raised while it was built for {inputs} and {num_classes} classes: "
            f"{_last_line(error)}; mend {own.place}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"model {own}: expected {_CALL} to return an nn.Module, got a "
            f"{type(network).__name__}; return the feature extractor"
        )
    width = _width(own, network, inputs)
    _refuse_unsaveable(own, network)
    return Body(network, width)


class NotHereError(ModelError):
    """There is no such file or module on this machine."""


class _NotImportedError(ModelError):
    """A library that the file or module imports is not installed."""


@final
class _FreshLoader(SourceFileLoader):
    """Compiles a file as it is: caches of bytecode do not see two edits within a second."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the base class's signature
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _module(own: OwnModel) -> ModuleType:
    load = _from_file if own.place.endswith(_SUFFIX) else _installed
    try:
        return load(own)
    except NotHereError:
        raise
    except (Exception, SystemExit) as error:
        kind = _NotImportedError if isinstance(error, ImportError) else ModelError
        raise kind(
            f"model {own}: raised while {own.place} was imported: {_last_line(error)}; mend it, or "
            f"install what it needs on this device"
        ) from error


def _from_file(own: OwnModel) -> ModuleType:
    path = _file(own)
    digest = hashlib.sha256(f"{path}\n".encode() + path.read_bytes()).hexdigest()[:16]
    name = f"_own_model_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    loader = _FreshLoader(name, str(path))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path)
    # Dataclasses look their module up while it is still being executed.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _file(own: OwnModel) -> Path:
    try:
        given = expanded(own.place, "model ")
    except StoreError as error:
        raise NotHereError(str(error)) from None
    places = [given.absolute()] if given.is_absolute() else [given.absolute(), _ROOT / given]
    for path in places:
        if path.is_file():
            return path.resolve()
    raise NotHereError(
        f"model {own}: expected a file {' or '.join(dict.fromkeys(map(str, places)))}, found none; "
        f"give a path that exists on this device, or put the file into own_models, which travels "
        f"in the app bundle, and name it own_models/{given.name}:{own.name}"
    )


def _installed(own: OwnModel) -> ModuleType:
    try:
        return import_module(own.place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{own.place}.".startswith(f"{error.name}."):
            raise
        raise NotHereError(
            f"model {own}: expected a module {own.place} that can be imported, found none called "
            f"{error.name}; install it on this device, or name a file: mymodels.py:{own.name}"
        ) from None


def _listed(module: ModuleType) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", None) == module.__name__
    ]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) + more) or "no class or function"


def _refuse_other_arguments(
    own: OwnModel, maker: Callable[..., object], inputs: Inputs, num_classes: int
) -> None:
    try:
        signature = inspect.signature(maker)
    except (TypeError, ValueError):  # nothing is known of what is written in C
        return
    try:
        signature.bind(inputs, num_classes)
    except TypeError:
        raise ModelError(
            f"model {own}: expected it to be called as {_CALL}, got "
            f"{own.name}{signature}; give it these two arguments, and all others a default"
        ) from None


def _width(own: OwnModel, network: nn.Module, inputs: Inputs) -> int:
    batch = inputs.example(_PROBED, torch.Generator().manual_seed(0))
    network.eval()
    try:
        with torch.no_grad():
            features = network(batch)
    except Exception as error:
        raise ModelError(
            f"model {own}: raised when it was given a batch {tuple(batch.shape)} of {inputs}: "
            f"{_last_line(error)}; mend {own.place}, or choose other data"
        ) from error
    network.train()
    got = _described(features)
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != _PROBED:
        raise ModelError(
            f"model {own}: expected features (batch, width), so ({_PROBED}, width) for a batch of "
            f"{_PROBED}, got {got}; leave the classifier out and end with nn.Flatten()"
        )
    if not features.dtype.is_floating_point or not features.shape[1]:
        raise ModelError(
            f"model {own}: expected floating-point features of at least width 1, got {got}"
        )
    if not bool(features.isfinite().all()):
        raise ModelError(
            f"model {own}: expected finite features of a batch of noise, got NaN or infinity; look "
            f"at how its weights are initialised"
        )
    return features.shape[1]


def _described(features: object) -> str:
    if isinstance(features, Tensor):
        return f"{features.dtype} of shape {tuple(features.shape)}"
    return f"a {type(features).__name__}"


def _refuse_unsaveable(own: OwnModel, network: nn.Module) -> None:
    for name, value in network.state_dict().items():
        kept = isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta
        if not kept:
            raise ModelError(
                f"model {own}: expected tensors with values in its state_dict, got {name} of type "
                f"{type(value).__name__}; a device keeps its model between rounds, so leave out "
                f"get_extra_state, sparse tensors and tensors on the device meta"
            )


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()
