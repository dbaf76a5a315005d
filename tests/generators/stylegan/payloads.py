"""What a hostile pickle may try: every payload creates a file when Python unpickles it.

Each takes the path of the file to create and returns what goes into the pickle. Those
that need a module, a codec or an extension code find it in the fixtures of
``test_stylegan_hostile.py``.
"""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.generators.stylegan.published import Global, Raw, Reduction, dump

Payload = Callable[[Path], object]

EXTENSION_CODE = 200
CODEC = "hostile_codec"
DOOR = Global("hostile_door", "Door")


def call(name: str, *arguments: object, state: object = None) -> Reduction:
    module, _, function = name.rpartition(".")
    return Reduction(Global(module, function), arguments, state)


def partial(name: str, *arguments: object, **keywords: object) -> Reduction:
    """Call with keywords, as no opcode can: build a ``partial``, set its state, call it."""
    module, _, function = name.rpartition(".")
    target = Global(module, function)
    held = call("functools.partial", target, state=(target, arguments, keywords, None))
    return Reduction(held)


def touch(path: Path) -> str:
    return f"touch '{path}'"


def python(path: Path) -> str:
    return f"open({str(path)!r}, 'w').close()"


def nested(path: Path) -> bytes:
    return dump(call("io.open", str(path), "w"), protocol=2)


def nested_storage(path: Path) -> bytes:
    """A nested storage of torch.save whose fourth pickle is hostile."""
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001)]
    head.append(pickle.dumps({"little_endian": True}, 2))
    return b"".join(head) + nested(path) + pickle.dumps([], 2)


def torch_file(path: Path) -> Path:
    file = path.with_suffix(".pt")
    file.write_bytes(nested_storage(path))
    return file


def numpy_file(path: Path) -> Path:
    file = path.with_suffix(".npy")
    np.save(file, np.array([None]), allow_pickle=True)
    content = file.read_bytes()
    file.write_bytes(content[: content.index(b"\n") + 1] + nested(path))
    return file


def script(path: Path) -> Path:
    file = path.with_suffix(".py")
    file.write_text(python(path))
    return file


def hub_folder(path: Path) -> Path:
    folder = path.with_suffix(".hub")
    folder.mkdir(exist_ok=True)
    (folder / "hubconf.py").write_text(python(path) + "\ndef model(): pass\n")
    return folder


def code(path: Path) -> Reduction:
    """The constructor of a code object that creates the file."""
    made = compile(python(path), "hostile", "exec")
    fields = (
        "argcount posonlyargcount kwonlyargcount nlocals stacksize flags code consts names "
        "varnames filename name qualname firstlineno linetable exceptiontable freevars cellvars"
    )
    return call("types.CodeType", *(getattr(made, f"co_{field}") for field in fields.split()))


def raw_text(text: str) -> bytes:
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


PAYLOADS: dict[str, Payload] = {
    "os.system": lambda path: call("os.system", touch(path)),
    "posix.system": lambda path: call("posix.system", touch(path)),
    "subprocess.Popen": lambda path: Reduction(
        call("operator.methodcaller", "wait"), (call("subprocess.Popen", ["touch", str(path)]),)
    ),
    "builtins.eval": lambda path: call("builtins.eval", python(path)),
    "builtins.exec": lambda path: call("builtins.exec", python(path)),
    "builtins.open": lambda path: call("builtins.open", str(path), "w"),
    "io.open": lambda path: call("io.open", str(path), "w"),
    "_io.FileIO": lambda path: call("_io.FileIO", str(path), "w"),
    "builtins.__import__": lambda path: call("builtins.__import__", "hostile_module"),
    "importlib.import_module": lambda path: call("importlib.import_module", "hostile_module"),
    "a global of a module that is not there yet": lambda path: Global("hostile_module", "NAME"),
    "getattr chain": lambda path: Reduction(
        call("builtins.getattr", call("importlib.import_module", "os"), "system"), (touch(path),)
    ),
    "operator.attrgetter": lambda path: Reduction(
        Reduction(call("operator.attrgetter", "system"), (call("importlib.import_module", "os"),)),
        (touch(path),),
    ),
    "operator.methodcaller": lambda path: Reduction(
        call("operator.methodcaller", "touch"), (call("pathlib.PosixPath", str(path)),)
    ),
    "functools.partial": lambda path: partial("os.system", touch(path)),
    "functools.reduce": lambda path: call(
        "functools.reduce", Global("io", "open"), [str(path), "w"]
    ),
    "map in a list": lambda path: call(
        "builtins.list", call("builtins.map", Global("os", "system"), [touch(path)])
    ),
    "pickle.loads": lambda path: call("pickle.loads", nested(path)),
    "torch.load": lambda path: partial("torch.load", str(torch_file(path)), weights_only=False),
    "torch.hub": lambda path: call("torch.hub._load_local", str(hub_folder(path)), "model"),
    "torch.storage": lambda path: call("torch.storage._load_from_bytes", nested_storage(path)),
    "torch._tensor": lambda path: call(
        "torch._tensor._rebuild_from_type_v2",
        Global("os", "system"),
        Global("builtins", "int"),
        (touch(path),),
        {},
    ),
    "numpy.load": lambda path: call("numpy.load", str(numpy_file(path)), None, True),
    "runpy.run_path": lambda path: call("runpy.run_path", str(script(path))),
    "timeit.timeit": lambda path: call(
        "timeit.timeit", python(path), "pass", Global("time", "time"), 1
    ),
    "types.FunctionType": lambda path: Reduction(call("types.FunctionType", code(path), {})),
    "logging.FileHandler": lambda path: call("logging.FileHandler", str(path)),
    "shutil.copy": lambda path: call("shutil.copy", str(script(path)), str(path)),
    "a codec": lambda path: call("_codecs.encode", str(path), CODEC),
    "a state with a property": lambda path: Reduction(
        DOOR, state=(None, {"path": str(path)}), new=True
    ),
    "a state of a global": lambda path: Raw(
        b"chostile_door\nDOOR\n" + b"N}" + raw_text("path") + raw_text(str(path)) + b"s\x86b"
    ),
    "a __setstate__": lambda path: Reduction(
        Global("hostile_door", "Stateful"), state=str(path), new=True
    ),
    "__setitem__": lambda path: Reduction(
        Global("hostile_door", "Stateful"), items={"path": str(path)}
    ),
    "append": lambda path: Reduction(Global("hostile_door", "Stateful"), elements=[str(path)]),
    "opcode INST": lambda path: Raw(b"(" + raw_text(touch(path)) + b"ios\nsystem\n"),
    "opcode OBJ": lambda path: Raw(b"(cos\nsystem\n" + raw_text(touch(path)) + b"o"),
    "opcode NEWOBJ": lambda path: Reduction(
        Global("hostile_door", "Stateful"), (str(path),), new=True
    ),
    "opcode NEWOBJ_EX": lambda path: Raw(
        b"chostile_door\nStateful\n)}" + raw_text("path") + raw_text(str(path)) + b"s\x92"
    ),
    "opcode EXT1": lambda path: Raw(
        b"\x82" + bytes([EXTENSION_CODE]) + raw_text(touch(path)) + b"\x85R"
    ),
    "opcode EXT4": lambda path: Raw(
        b"\x84" + EXTENSION_CODE.to_bytes(4, "little") + raw_text(touch(path)) + b"\x85R"
    ),
}

# Names with dots are followed from protocol 4 on.
DOTTED: dict[str, Payload] = {
    "a module's module": lambda path: Reduction(Global("os", "path.os.system"), (touch(path),)),
    "a function's builtins": lambda path: Reduction(
        Reduction(Global("torch.storage", "_load_from_bytes.__builtins__.get"), ("eval",)),
        (python(path),),
    ),
    "a class's method": lambda path: Reduction(
        Global("pathlib", "Path.touch"), (call("pathlib.PosixPath", str(path)),)
    ),
}

DILLED: dict[str, Payload] = {
    "_import_module": lambda path: call("dill._dill._import_module", "hostile_module"),
    "_create_filehandle": lambda path: call(
        "dill._dill._create_filehandle",
        str(path),
        "w",
        0,
        False,
        Global("builtins", "open"),
        False,
        0,
        "",
    ),
    "_create_function": lambda path: Reduction(
        call(
            "dill._dill._create_function",
            code(path),
            {"__builtins__": {"open": Global("io", "open")}},
        )
    ),
    "_load_type": lambda path: Reduction(
        Reduction(call("dill._dill._load_type", "FunctionType"), (code(path), {})),
    ),
}
