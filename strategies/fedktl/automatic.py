"""What settings left at ``"auto"`` come to, by the run's generator.

The authors' values are those of their code and scripts for StyleGAN-XL, StyleGAN3 and
Stable Diffusion. The server finds them and tells the devices.
"""

from dataclasses import dataclass
from typing import final

from strategies.common.errors import SettingsError
from strategies.common.image_generator import ImageGenerator
from strategies.fedktl.discrepancy import Bandwidths
from strategies.fedktl.settings import FedKTLSettings

_STYLEGAN_XL = "stylegan-xl"
_STYLEGAN = "stylegan"
_DIFFUSION = "diffusers"


@final
@dataclass(frozen=True)
class Automatic:
    """Settings of the server with every ``"auto"`` replaced; letters are the paper's.

    Attributes
    ----------
    transfer_weight : float
        mu.
    alignment_weight : float
        lambda.
    server_learning_rate : float
        eta_S.
    bandwidths : Bandwidths
        Kernel of the distribution loss.
    project_centroids : bool
        Whether latent centroids are scaled to the length of noise.
    latent_dim : int
        H.
    """

    transfer_weight: float
    alignment_weight: float
    server_learning_rate: float
    bandwidths: Bandwidths
    project_centroids: bool
    latent_dim: int

    def settings(self) -> dict[str, float | str]:
        """Return them as a run config names and types them."""
        return {
            "fedktl.transfer-weight": self.transfer_weight,
            "fedktl.alignment-weight": self.alignment_weight,
            "fedktl.server-learning-rate": self.server_learning_rate,
            "fedktl.mmd-bandwidths": self.bandwidths,
            "fedktl.project-centroids": "on" if self.project_centroids else "off",
            "fedktl.latent-dim": self.latent_dim,
        }


def transfer_weight(settings: FedKTLSettings, spec: str) -> float:
    """Return mu: 100 with a diffusion model, 50 with all others.

    Parameters
    ----------
    settings : FedKTLSettings
        A number in them wins.
    spec : str
        The run's generator, ``<name>`` or ``<name>:<argument>``.
    """
    if settings.transfer_weight != "auto":
        return settings.transfer_weight
    return 100.0 if _name(spec) == _DIFFUSION else 50.0


def automatic(settings: FedKTLSettings, spec: str, generator: ImageGenerator) -> Automatic:
    """Replace every ``"auto"``.

    Parameters
    ----------
    settings : FedKTLSettings
        Whatever is not ``"auto"`` in them wins.
    spec : str
        The run's generator, ``<name>`` or ``<name>:<argument>``.
    generator : ImageGenerator
        Its family tells StyleGAN-XL from other StyleGANs.

    Raises
    ------
    SettingsError
        If the settings name another width of latents than the generator's.
    """
    if settings.latent_dim not in (0, generator.latent_dim):
        raise SettingsError(
            f"setting fedktl.latent-dim: expected 0 or {generator.latent_dim}, which generator "
            f"{spec} has, got {settings.latent_dim}"
        )
    alignment_weight, learning_rate = _authors(_name(spec), generator.family)
    if settings.alignment_weight != "auto":
        alignment_weight = settings.alignment_weight
    if settings.server_learning_rate != "auto":
        learning_rate = settings.server_learning_rate
    bandwidths: Bandwidths = "stylegan" if _name(spec).startswith(_STYLEGAN) else "median"
    if settings.mmd_bandwidths != "auto":
        bandwidths = settings.mmd_bandwidths
    project = generator.gaussian_latents
    if settings.project_centroids != "auto":
        project = settings.project_centroids == "on"
    weight = transfer_weight(settings, spec)
    return Automatic(
        weight, alignment_weight, learning_rate, bandwidths, project, generator.latent_dim
    )


def _authors(name: str, family: str) -> tuple[float, float]:
    """Return lambda and eta_S."""
    if name == _DIFFUSION:
        return 0.01, 0.1
    if name.startswith(_STYLEGAN) and family != _STYLEGAN_XL:
        return 0.1, 0.01
    return 1.0, 0.01


def _name(spec: str) -> str:
    return spec.partition(":")[0]
