"""What a run names must lie on this machine, where all its clients and its server are."""

from pathlib import Path

from client_app.backbones import loading
from client_app.data import sources
from generators import build as generators
from models import catalogue, own, weights
from strategies import methods
from strategies.common.errors import SettingsError
from strategies.common.home import expanded
from strategies.common.run_config import RunConfig, read_run
from strategies.common.transport.compute import require_device


def check_apart(config: RunConfig) -> None:
    """Refuse to keep runs or states within the data, of which they would count as a part.

    Parameters
    ----------
    config : RunConfig
        Every setting, flat, with the places where the run is played.

    Raises
    ------
    SettingsError
        With the place.
    """
    settings = read_run(config)
    for spec in filter(None, (settings.data, settings.open_data)):
        for key, place in (("runs-dir", settings.runs_dir), ("state-dir", settings.state_dir)):
            sources.parse(spec).require_apart(f"setting {key}", Path(place))


def check(config: RunConfig) -> None:
    """Refuse what would be found missing once clients are at work.

    Parameters
    ----------
    config : RunConfig
        Every setting, flat; they were read before, so that each is of a known form.

    Raises
    ------
    NectarError
        If there is no such GPU, folder, file or model, or the data hold what the method cannot
        learn from.
    """
    settings = read_run(config)
    require_device(settings.device, "device")
    require_device(settings.server_device, "server-device")
    for spec in filter(None, (settings.data, settings.open_data)):
        sources.parse(spec).require_here()
    asked = methods.adapts(settings.method)
    sources.parse(settings.data).require_questions(settings.method, asked=asked)
    if methods.draws(settings.method):
        generators.check_here(settings.generator, config)
    files = dict(methods.method_settings(settings.method, config).server_files())
    if settings.vocabulary_file:
        files["vocabulary-file"] = settings.vocabulary_file
    for key, named in files.items():
        if not (path := expanded(named, f"setting {key}: ")).is_file():
            raise SettingsError(
                f"setting {key}: expected a file at {path.absolute()}, found none; name one that "
                f"exists"
            )
    if methods.adapts(settings.method):
        loading.check_here(str(config["adapters.backbone"]))
    elif not methods.exchanges(settings.method):
        names = catalogue.check(settings.models)
        for name in filter(own.is_own, names):
            own.find(own.parse("setting models", name))
        weights.check_here(settings.weights, names)
