"""Writes tiny network pickles in the layout of the published files, for tests.

A tree of ``Published`` modules becomes a dictionary with ``G``, ``D``, ``G_ema``,
``training_set_kwargs`` and ``augment_pipe``, each module a call of
``torch_utils.persistence._reconstruct_persistent_obj``. Globals are written by name, so
that neither torch_utils nor dnnlib nor dill is needed:

    generator = Published("Generator", {"z_dim": 8}, modules={"mapping": ...})
    path.write_bytes(publish(generator, protocol=3))
"""

import copy
import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

# Published files carry their classes' source here; whoever runs it is told so.
SOURCE = "raise RuntimeError('the source inside a network pickle was executed')\n"


@dataclass(frozen=True)
class Global:
    """A global, written by name whether or not it exists."""

    module: str
    name: str


@dataclass(eq=False)
class Reduction:
    """The result of a call: ``callee(*arguments)``, then state, items and elements."""

    callee: "Global | Reduction | Raw"
    arguments: tuple[object, ...] = ()
    state: object = None
    items: Mapping[object, object] = field(default_factory=dict)
    elements: list[object] = field(default_factory=list)
    new: bool = False  # by ``__new__`` alone, from protocol 2 on


@dataclass(eq=False)
class Raw:
    """Opcodes that leave one object on the stack and remember nothing."""

    opcodes: bytes


class EasyDict(dict[str, object]):
    """Stands for ``dnnlib.util.EasyDict``."""


@dataclass(eq=False)
class Published:
    """A module.

    Attributes
    ----------
    class_name : str
        Class that wrote it.
    attributes : dict[str, object]
        Plain attributes: numbers, texts, lists, numpy arrays, ``EasyDict``, ...
    parameters, buffers : dict[str, Tensor | None]
        Tensors, or a ``Reduction`` in their place.
    modules : dict[str, object]
        ``Published``, or a real module such as ``torch.nn.Embedding``.
    """

    class_name: str
    attributes: dict[str, object] = field(default_factory=dict)
    parameters: dict[str, object] = field(default_factory=dict)
    buffers: dict[str, object] = field(default_factory=dict)
    modules: dict[str, object] = field(default_factory=dict)

    def state(self) -> dict[str, object]:
        """Return the ``__dict__`` that ``torch.nn.Module`` would have."""
        parameters = {
            name: nn.Parameter(value) if type(value) is Tensor else value
            for name, value in self.parameters.items()
        }
        hooks = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks")
        return {
            "training": False,
            "_parameters": OrderedDict(parameters),
            "_buffers": OrderedDict(self.buffers),
            "_non_persistent_buffers_set": set(),
            **{name: OrderedDict() for name in hooks},
            "_is_full_backward_hook": None,
            "_modules": OrderedDict(self.modules),
            "_init_args": (),
            "_init_kwargs": EasyDict(note="constructor's arguments"),
            **self.attributes,
        }


def discriminator() -> Published:
    """Return the part that a generator's reader has to step over."""
    embedder = Reduction(
        Global("timm.models.layers.conv2d_same", "Conv2dSame"), state={"stride": (2, 2)}, new=True
    )
    return Published(
        "ProjectedDiscriminator", {"head": embedder, "activation": Global("torch", "float16")}
    )


def publish(
    generator: object,
    *,
    protocol: int = 4,
    dilled: bool = False,
    cuda: bool = False,
    extra: Mapping[str, object] | None = None,
    without: tuple[str, ...] = (),
) -> bytes:
    """Write a network pickle.

    Parameters
    ----------
    generator : object
        Usually ``Published``; goes in as ``G_ema`` and, copied, as ``G``.
    protocol : int
        2 to 5.
    dilled : bool
        Whether as dill writes, as StyleGAN-XL does.
    cuda : bool
        Whether all storages say that they lie on ``cuda:0``.
    extra : Mapping[str, object]
        More entries of the dictionary, or others in their place; they come first.
    without : tuple[str, ...]
        Entries to leave out.
    """
    held = {
        **(extra or {}),
        "G": copy.deepcopy(generator),
        "D": discriminator(),
        "G_ema": generator,
        "augment_pipe": None,
        "training_set_kwargs": EasyDict(class_name="training.dataset.ImageFolderDataset"),
        **(extra or {}),
    }
    kept = {key: value for key, value in held.items() if key not in without}
    return dump(kept, protocol=protocol, dilled=dilled, cuda=cuda)


def dump(held: object, *, protocol: int = 4, dilled: bool = False, cuda: bool = False) -> bytes:
    """Write any object, with ``Published``, ``Global``, ``Reduction`` and ``Raw`` inside."""
    file = io.BytesIO()
    _Publisher(file, protocol, dilled=dilled, cuda=cuda).dump(held)
    return file.getvalue()


def storage_bytes(tensor: Tensor, *, cuda: bool = False) -> bytes:
    """Return a tensor's whole storage as ``torch.save`` nests it in a pickle."""
    file = io.BytesIO()
    storage = torch.storage.TypedStorage(
        wrap_storage=tensor.detach().untyped_storage(), dtype=tensor.dtype, _internal=True
    )
    torch.save(storage, file, _use_new_zipfile_serialization=False)
    # Where the storage lay is a text of the fourth of its pickles.
    places = (b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0") if cuda else (b"", b"")
    return file.getvalue().replace(*places, 1)


_PERSISTENT = Global("torch_utils.persistence", "_reconstruct_persistent_obj")
_EASY_DICT = Global("dnnlib.util", "EasyDict")
_LOAD_STORAGE = Global("torch.storage", "_load_from_bytes")
_LOAD_TYPE = Global("dill._dill", "_load_type")
_CREATE_ARRAY = Global("dill._dill", "_create_array")


class _Publisher(pickle._Pickler):
    """Python's pickler, in Python because C's looks up every global that it writes."""

    def __init__(self, file: io.BytesIO, protocol: int, *, dilled: bool, cuda: bool) -> None:
        super().__init__(file, protocol)
        self._dilled = dilled
        self._cuda = cuda
        self._set_type = Reduction(_LOAD_TYPE, ("set",))

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if id(obj) in self.memo:
            self.write(self.get(self.memo[id(obj)][0]))
        elif isinstance(obj, Global):
            self._save_name(obj)
        elif isinstance(obj, Raw):
            self.write(obj.opcodes)
        elif isinstance(obj, Reduction):
            self._save_reduction(obj, obj)
        else:
            inert = self._published(obj)
            if inert is None:
                super().save(obj, save_persistent_id)
            else:
                self._save_reduction(inert, obj)

    def _published(self, obj: object) -> Reduction | None:
        """Return how the published files write what the installed libraries write otherwise."""
        if isinstance(obj, Published):
            fields = {
                "type": "class",
                "version": 6,
                "module_src": SOURCE,
                "class_name": obj.class_name,
                "state": obj.state(),
            }
            return Reduction(_PERSISTENT, (fields,))
        if isinstance(obj, torch.storage.TypedStorage):
            tensor = torch.empty(0, dtype=obj.dtype).set_(obj)
            return Reduction(_LOAD_STORAGE, (storage_bytes(tensor, cuda=self._cuda),))
        if isinstance(obj, np.ndarray | np.generic):
            return self._numpy(obj)
        if isinstance(obj, EasyDict):
            return Reduction(_EASY_DICT, items=obj, new=True)
        dilled_set = isinstance(obj, set) and self._dilled
        return Reduction(self._set_type, (list(obj),)) if dilled_set else None

    def _numpy(self, obj: np.ndarray | np.generic) -> Reduction:
        # Python's pickler cannot write an array without elements in protocol 5.
        function, arguments, *state = obj.__reduce_ex__(self.proto if obj.size else 2)
        # The files were written before numpy 2 renamed its modules.
        name = Global(function.__module__.replace("_core", "core"), function.__name__)
        if self._dilled and state:
            return Reduction(_CREATE_ARRAY, (name, arguments, state[0], None))
        return Reduction(name, arguments, *state)

    def _save_name(self, name: Global) -> None:
        if self.proto >= 4:
            super().save(name.module)
            super().save(name.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{name.module}\n{name.name}\n".encode())
        self.memoize(name)

    def _save_reduction(self, call: Reduction, obj: object) -> None:
        self.save(call.callee)
        self.save(call.arguments)
        self.write(pickle.NEWOBJ if call.new else pickle.REDUCE)
        self.memoize(obj)
        if call.elements:
            self._batch_appends(iter(call.elements))
        if call.items:
            self._batch_setitems(iter(call.items.items()))
        if call.state is not None:
            self.save(call.state)
            self.write(pickle.BUILD)
