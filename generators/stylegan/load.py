"""Load a network from a published pickle or from its safetensors conversion."""

from pathlib import Path

from generators.checksum import require_sha256
from generators.stylegan import safetensors_file, unpickling
from generators.stylegan.description import describe
from generators.stylegan.network import Description, StyleGAN, build
from strategies.common.errors import GeneratorError

# A safetensors file begins with the length of its header and then the header, a JSON object.
_LENGTH_BYTES = 8


def load(path: Path, sha256: str = "") -> StyleGAN:
    """Load a generator without executing anything that the file holds.

    Parameters
    ----------
    path : Path
        A pickle of StyleGAN2-ADA, StyleGAN3 or StyleGAN-XL, or a safetensors file that
        ``convert`` wrote.
    sha256 : str
        Expected SHA-256 of the file in hexadecimal; empty for any.

    Returns
    -------
    StyleGAN
        On the CPU, for inference.

    Raises
    ------
    GeneratorError
        If the file is missing, damaged, not the expected one or of an unknown kind.

    Examples
    --------
    >>> network = load(Path("stylegan3-t-afhqv2-512x512.pkl"))  # doctest: +SKIP
    >>> ws = network.mapping(torch.randn(4, network.z_dim))  # doctest: +SKIP
    >>> network.synthesis(ws).shape  # doctest: +SKIP
    torch.Size([4, 3, 512, 512])
    """
    return build(read(path, sha256))


def read(path: Path, sha256: str = "") -> Description:
    """Read geometry and tensors, as ``load`` does, without building the network."""
    if sha256:
        require_sha256(path, sha256)
    if _is_safetensors(path):
        return safetensors_file.read(path)
    return describe(unpickling.read(path))


def convert(source: Path, target: Path, sha256: str = "", *, replace: bool = True) -> StyleGAN:
    """Write a network as safetensors and return it as read back from there.

    Raises
    ------
    GeneratorError
        If the source cannot be loaded or the target cannot be written.
    """
    description = read(source, sha256)
    build(description)
    safetensors_file.write(description, target, replace=replace)
    return load(target)


def _is_safetensors(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_LENGTH_BYTES + 1)
    except OSError as error:
        raise GeneratorError(f"{path}: cannot be read: {error.strerror or error}") from None
    return start[_LENGTH_BYTES:] == b"{"
