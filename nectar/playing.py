"""How a run is played: in this process, or by the engine in processes of its own.

The engine forks, which a process with threads, such as a notebook's, must not; it is started
afresh, as on the command line.
"""

from contextlib import ExitStack

from rich.console import Console

from local_federation.engine.play import play_here
from local_federation.engine.resources import Resources
from local_federation.engine_host import EngineHost
from local_federation.host import Host, LocalFederationError
from local_federation.watch import follow
from nectar.places import Places
from nectar.settings import Config
from nectar.untouched import told_to
from strategies.common.errors import FederationError, SettingsError


def here(config: Config, clients: int, console: Console) -> None:
    """Play a run in this process.

    Raises
    ------
    NectarError
        If it cannot be begun or cannot go on.
    """
    with told_to(console):
        play_here(config, clients)


def host(places: Places, config: Config, clients: int, resources: Resources) -> Host:
    """Return what plays a run in processes of its own; nothing is started.

    Raises
    ------
    SettingsError
        If it has not the resources that are asked for.
    """
    made = EngineHost(places.engine, clients, resources)
    try:
        made.check([config])
    except LocalFederationError as error:
        raise SettingsError(str(error)) from None
    return made


def by(engine: Host, places: Places, config: Config, console: Console) -> None:
    """Let an engine that was checked play a run, and stop it whatever happens.

    Raises
    ------
    FederationError
        If it failed; with the end of its log.
    """
    with ExitStack() as stack:
        stack.callback(engine.stop)
        try:
            engine.start(console)
            follow(engine.play(config), places.run, console)
        except LocalFederationError as error:
            raise FederationError(str(error)) from None
