"""The door of published pickles: a file goes in, the record of its generator comes out.

Nothing that a file names is imported or called, and nothing that it carries is executed:
``opcodes`` reads a pickle as data, and ``restoration`` rebuilds tensors, numbers and
module records from a short list of names. A file cannot do more than be refused.
"""

from pathlib import Path

from generators.stylegan.records import Record
from generators.stylegan.restoration import Restoration, Unknown
from generators.stylegan.storages import MAGIC
from pickles.opcodes import parse
from pickles.symbols import Call, MalformedPickleError, Name
from strategies.common.errors import GeneratorError

MAX_FILE_BYTES = 8 << 30

_REMEDY = (
    "give the network pickle of StyleGAN2-ADA (PyTorch), StyleGAN3 or StyleGAN-XL as its "
    "authors publish it"
)
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive, such as torch.save and numpy.savez write",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a numpy array",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GGUF": "a GGUF file",
    b"version https://git-lfs": "a Git LFS pointer instead of the file that it stands for",
    b"<": "a page of a web site instead of the file that it offers",
}


def read(path: Path) -> Record:
    """Read the generator ``G_ema`` of a network pickle without executing anything.

    Parameters
    ----------
    path : Path
        A pickle of StyleGAN2-ADA, StyleGAN3 or StyleGAN-XL; protocols 2 to 5, pickled or
        dilled, with tensors of any device.

    Returns
    -------
    Record
        The generator; its tensors are copies on the CPU.

    Raises
    ------
    GeneratorError
        If the file is missing, too large, broken, or anything else.
    """
    try:
        if path.is_dir():
            raise GeneratorError(f"{path}: expected a network pickle, got a folder; {_REMEDY}")
        if path.exists() and not path.is_file():
            raise GeneratorError(f"{path}: expected a network pickle, got a device; {_REMEDY}")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise GeneratorError(
                f"{path}: expected a network pickle of at most {MAX_FILE_BYTES >> 30} GiB, got "
                f"{size / (1 << 30):.1f} GiB; {_REMEDY}"
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise GeneratorError(
            f"{path}: expected a network pickle, got no such file; check the path"
        ) from None
    except (OSError, ValueError) as error:
        raise GeneratorError(
            f"{path}: expected a network pickle that can be read, got {error}"
        ) from None
    return read_bytes(content, str(path))


def read_bytes(content: bytes, source: str) -> Record:
    """Read the generator ``G_ema`` of a network pickle that is in memory.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : str
        Its name, for messages.

    Raises
    ------
    GeneratorError
        As ``read``.
    """
    other = _other_format(content)
    if other is not None:
        raise GeneratorError(f"{source}: expected a network pickle, got {other}; {_REMEDY}")
    try:
        held, _ = parse(memoryview(content))
        if not isinstance(held, dict) or "G_ema" not in held:
            raise GeneratorError(
                f"{source}: expected a network pickle with a generator G_ema, got "
                f"{_describe(held)}; {_REMEDY}"
            )
        # Protocol 2 holds a tensor's bytes as text, so that they are rebuilt twice.
        generator = Restoration(2 * len(content)).restore(held["G_ema"], "")
    except MalformedPickleError as error:
        raise GeneratorError(
            f"{source}: expected a network pickle, got {len(content)} bytes that cannot be read "
            f"as one: {error}; download the file again, or {_REMEDY}"
        ) from None
    except MemoryError:
        raise GeneratorError(
            f"{source}: expected a network pickle, got one of {len(content)} bytes for which the "
            f"memory is too small; close other programs or use a machine with more"
        ) from None
    if isinstance(generator, Record):
        return generator
    found = generator.name if isinstance(generator, Unknown) else type(generator).__name__
    raise GeneratorError(
        f"{source}: expected a StyleGAN generator as G_ema, got {found!r:.80}; {_REMEDY}"
    )


def _other_format(content: bytes) -> str | None:
    """Name a file that is no pickle, if its first bytes tell."""
    if not content:
        return "an empty file"
    # Eight bytes of length, then JSON.
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return "a safetensors file"
    return next((name for start, name in _OTHER_FORMATS.items() if content.startswith(start)), None)


def _describe(held: object) -> str:
    """Say what a pickle holds instead of a network."""
    match held:
        case {"D": _}:
            return "a discriminator alone (D)"
        case dict():
            keys = [repr(key)[:40] for key in held if isinstance(key, str | int)]
            return f"a dictionary with {', '.join(keys[:8]) or 'nothing'}"
        case tuple() if len(held) == 3:
            return "three objects, as the TensorFlow version of StyleGAN wrote them"
        case int() if held == MAGIC:
            return "a checkpoint of torch.save"
        case Call(Name() as name):
            return f"an object of {str(name)!r:.80}"
    return f"an object of type {type(held).__name__}"
