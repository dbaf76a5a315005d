"""The table of models: adding a model is one line here.

A model is the function ``<module>:<name>`` that maps inputs to a body; its module is
imported only when it is asked for, so that names can be checked without loading any model
and a device loads none but its own. A name with a colon is a user's own model (``own.py``).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, final

from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from models import own
from models.body import Body
from strategies.common.errors import ModelError, SettingsError
from strategies.common.foreign_text import seen
from strategies.common.inputs import Columns, Images, Inputs, InputsKind, Tokens, Windows
from strategies.common.model import FeatureModel
from strategies.common.provided import ModelBuilder
from strategies.common.seeds import seeded
from strategies.common.task import Task


@final
@dataclass(frozen=True)
class Readable:
    """What a kind of model can read; any number of channels will do.

    Attributes
    ----------
    meaning : str
        In words, for error messages.
    kind : type
        Kind of the inputs.
    sizes : range
        What every axis but the channels may have, or the only one.
    """

    meaning: str
    kind: InputsKind
    sizes: range

    def fits(self, inputs: Inputs) -> bool:
        """Return whether inputs are of this kind and of sizes that can be read."""
        axes = inputs.shape if len(inputs.shape) == 1 else inputs.shape[1:]
        return isinstance(inputs, self.kind) and all(n in self.sizes for n in axes)


_LONGEST = 4096


def _windows(fewest: int) -> Readable:
    """Return what reads windows of some steps on: fewer would vanish within the network."""
    meaning = f"sensor windows of {fewest} to {_LONGEST} steps"
    return Readable(meaning, Windows, range(fewest, _LONGEST + 1))


IMAGES = Readable("images of 8 to 224 pixels a side", Images, range(8, 225))
TEXTS = Readable("texts of up to 4096 words", Tokens, range(1, 4097))
ROWS = Readable("rows of up to 65536 numbers", Columns, range(1, 65537))

MODELS = {
    "cnn": ("cnn", IMAGES),
    "resnet4": ("resnet", IMAGES),
    "resnet6": ("resnet", IMAGES),
    "resnet8": ("resnet", IMAGES),
    "resnet10": ("resnet", IMAGES),
    "resnet18": ("vision", IMAGES),
    "resnet34": ("vision", IMAGES),
    "resnet50": ("vision", IMAGES),
    "googlenet": ("vision", IMAGES),
    "mobilenet_v2": ("vision", IMAGES),
    "vit_tiny": ("vision", IMAGES),
    "vit_b_16": ("vision", IMAGES),
    "vit_b_32": ("vision", IMAGES),
    "sensor_cnn": ("sensor", _windows(28)),
    "sensor_cnn1": ("sensor", _windows(10)),
    "sensor_cnn3": ("sensor", _windows(64)),
    "sensor_strided": ("sensor", _windows(33)),
    "sensor_resnet": ("sensor_sequence", _windows(8)),
    "sensor_gru": ("sensor_sequence", _windows(9)),
    "fasttext": ("text", TEXTS),
    "text_cnn": ("text", TEXTS),
    "text_lstm": ("text", TEXTS),
    "text_transformer": ("text", TEXTS),
    "mlp": ("columns", ROWS),
    "wide_mlp": ("columns", ROWS),
}


def check(names: str) -> tuple[str, ...]:
    """Split the ``models`` setting and check the form of every name.

    Parameters
    ----------
    names : str
        Model names, comma separated; blanks around them do not count, repeats do.

    Raises
    ------
    SettingsError
        If a name is empty or unknown, with the known ones.

    Examples
    --------
    >>> check("cnn, mymodels.py:Net")
    ('cnn', 'mymodels.py:Net')
    """
    split = tuple(name.strip() for name in names.split(","))
    for name in split:
        _check("setting models", name)
    return split


def check_here(names: str) -> None:
    """Check the ``models`` setting, and the user's own models as far as they lie here.

    Raises
    ------
    SettingsError
        If a name is empty or unknown, with the known ones.
    ModelError
        If a user's own model lies on this machine and is none.
    """
    for name in check(names):
        if own.is_own(name):
            own.check_here(own.parse("setting models", name))


def shown(name: str) -> str:
    """Return how journal and report name a model: a user's own one without its place.

    Examples
    --------
    >>> shown("/home/ada/mymodels.py:Net")
    'Net'
    """
    return name.rpartition(":")[2]


def dealt(names: tuple[str, ...], partition: int) -> str:
    """Return the model of a client: names are dealt to partitions in turn.

    Examples
    --------
    >>> dealt(("cnn", "resnet4"), 2)
    'cnn'
    """
    return names[partition % len(names)]


@final
class _NothingDrawn(TorchFunctionMode):
    """Leaves tensors as they are where weights would be drawn: most of the time of building."""

    # Those of torch.nn.init that hand themselves over come here whole; others by what they call.
    _WHOLE = frozenset((init.uniform_, init.normal_, init.kaiming_uniform_))
    # Mean, or least: truncated draws are repeated until all lie within their bounds, and what
    # happened to be in memory never would.
    _CALLED: ClassVar[Mapping[Any, str]] = {Tensor.normal_: "mean", Tensor.uniform_: "from"}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call what draws nothing."""
        named = kwargs or {}
        if func in self._WHOLE:
            return args[0] if args else named["tensor"]
        if func in self._CALLED:
            least = args[1] if len(args) > 1 else named.get(self._CALLED[func], 0.0)
            return args[0].fill_(least)
        return func(*args, **named)


def build(
    name: str, task: Task, feature_dim: int, seed: int, *, to_be_loaded: bool = False
) -> FeatureModel:
    """Build a model with fresh weights, on the CPU.

    Parameters
    ----------
    name : str
        Name in the table.
    task : Task
        Gives classes and inputs; its ``feature_dim`` is not read.
    feature_dim : int
        Width that the features are pooled to; 0 keeps the model's own.
    seed : int
        Same seed, same weights; the global generators are left as they were.
    to_be_loaded : bool
        Whether a state is to be loaded into all of it: then a model of the table draws no weights,
        and holds whatever was in memory. A user's own model may draw what no state holds.

    Raises
    ------
    SettingsError
        If the name is unknown.
    ModelError
        If the model cannot read the task's inputs, naming those that can; or if a user's own
        model is not there, or is none.
    """
    with seeded(seed), _NothingDrawn() if to_be_loaded and not own.is_own(name) else nullcontext():
        body = _body(name, task)
        return FeatureModel(
            body.network,
            body_width=body.width,
            feature_dim=feature_dim,
            num_classes=task.num_classes,
        )


def builder(feature_dim: int, names: tuple[str, ...] = ()) -> ModelBuilder:
    """Return a function that builds models by name for a task with a seed.

    Parameters
    ----------
    feature_dim : int
        Width that their features are pooled to; 0 keeps each model's own.
    names : tuple[str, ...]
        Models of the run, of which a user's own are found by what journal and report call them.
        No other code is run, whoever names it: what is asked for may come from a device.
    """
    told = {shown(name): name for name in names}

    usual = feature_dim

    def build_known(
        name: str,
        task: Task,
        seed: int,
        *,
        feature_dim: int | None = None,
        to_be_loaded: bool = False,
    ) -> FeatureModel:
        place = told.get(name, name)
        require_known("model", place, names)
        width = usual if feature_dim is None else feature_dim
        return build(place, task, width, seed, to_be_loaded=to_be_loaded)

    return build_known


def require_known(what: str, name: str, names: tuple[str, ...]) -> None:
    """Refuse a name that is neither of the run's models nor in the table.

    Parameters
    ----------
    what : str
        What names it, for the error message.
    name : str
        As in the setting ``models``.
    names : tuple[str, ...]
        Models of the run.

    Raises
    ------
    SettingsError
        With those that are known.
    """
    if name not in names and name not in MODELS:
        known = ", ".join(dict.fromkeys((*map(shown, names), *MODELS)))
        raise SettingsError(
            f"{what}: expected one of the run's or of the table, {known}, got {seen(name)}"
        )


def _body(name: str, task: Task) -> Body:
    _check("model", name)
    if own.is_own(name):
        return own.build(own.parse("model", name), task.inputs, task.num_classes)
    module, readable = MODELS[name]
    if not readable.fits(task.inputs):
        raise ModelError(_refusal(name, readable, task.inputs))
    body: Body = getattr(import_module(f"models.{module}"), name)(task.inputs)
    return body


def _check(what: str, name: str) -> None:
    if own.is_own(name):
        own.parse(what, name)
    elif name not in MODELS:
        raise SettingsError(
            f"{what}: unknown {name!r}; the known ones are {', '.join(MODELS)}; {own.FORMS}"
        )


def _refusal(name: str, readable: Readable, inputs: Inputs) -> str:
    able = [other for other, (_, kind) in MODELS.items() if kind.fits(inputs)]
    if able:
        advice = f"models that can read it are {', '.join(able)}"
    elif isinstance(inputs, Windows):
        fewest = min(kind.sizes.start for _, kind in MODELS.values() if kind.kind is Windows)
        advice = f"no model can read it; set window-length to between {fewest} and {_LONGEST}"
    elif isinstance(inputs, Images):
        advice = "no model can read it; set image-size to between 8 and 224"
    else:
        advice = f"no model of the table can read it; {own.FORMS}"
    return f"model {name!r}: expected {readable.meaning}, got {inputs}; {advice}"
