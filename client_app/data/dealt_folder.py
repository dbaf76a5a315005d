"""``images:<dir>``: one folder of images, a subfolder per class, dealt to all clients.

For simulations: every client sees the folder and takes its own share by ``partition``. Whether
images are grey or coloured is one decision for all of them, since a client's share may happen to
be grey.
"""

from pathlib import Path

from client_app.data import folder as own_folder
from client_app.data import images
from client_app.data.collection import Collection

files = own_folder.files


def read(folder: Path) -> Collection:
    """List a folder's images, and prepare to decode chosen ones.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    names, paths = own_folder.listed(folder)
    channels = 3 if any(map(images.is_coloured, paths)) else 1
    return own_folder.collection(folder, names, paths, channels)
