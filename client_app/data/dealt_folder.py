"""``images:<dir>``: one folder of images, a subfolder per class, dealt to all clients.

For simulations: every client sees the folder and takes its own share by ``partition``. Whether
images are grey or coloured is one decision for all of them, since a client's share may happen to
be grey.
"""

from dataclasses import replace
from pathlib import Path

from client_app.data import folder as own_folder
from client_app.data import images
from client_app.data.collection import Collection

files = own_folder.files


def read(folder: Path, channels: int = 0) -> Collection:
    """List a folder's images, and prepare to decode chosen ones.

    Parameters
    ----------
    folder : Path
        Holds the class folders.
    channels : int
        1 reads all as grey, 3 as colour; 0 as grey where all images in the folder are.

    Raises
    ------
    DataError
        If there are no class folders or no images.
    """
    listing = own_folder.listed(folder)
    found = channels or (3 if any(map(images.is_coloured, listing.paths)) else 1)
    # Folders of other photographs may well have as many in each class.
    return replace(own_folder.collection(folder, listing, found), is_told_by_files=True)
