"""What says that the containers did not do what they must."""


class CheckError(Exception):
    """The containers did not do what they must."""
