"""Settings of TAResSFL: how the client model is trained, and how it is attacked afterwards."""

from typing import final

from pydantic import Field

from strategies.common.settings import Settings
from taressfl import decoder
from taressfl.decoder import DecoderShape

_DECODER = r"res_(norm)?N[0-9]C[1-9][0-9]{0,2}"
_SMALL = r"(conv|dense)_C[1-9][0-9]{0,3}"


@final
class PretrainingSettings(Settings):
    """How a client model is trained against a decoder; letters are the paper's.

    Numbers called the paper's are of MocoSFL (ICLR 2023), as its authors' code has them. The
    contrastive part follows the table ``mocosfl``.

    Attributes
    ----------
    epochs : int
        Passes over the auxiliary images; the paper takes 200.
    batch : int
        Images of the target and as many auxiliary ones in each step; 128 in the paper.
    learning_rate : float
        Step size of the client model's SGD at the start, from which it falls to 0 along a
        cosine, epoch by epoch; 0.06 in the paper.
    momentum, weight_decay : float
        Of the client model's SGD; 0.9 and 5e-4 in the paper.
    ssim_target : float
        Similarity above which the client model is pushed away from what the decoder can read
        (s*); 0.6 in the paper. Below it nothing is asked, so that features do not suffer.
    ssim_weight : float
        Strength of that push (lambda); 2 in the paper. 0 trains an undefended client model.
    decoder : str
        Capacity of the decoders, e.g. ``res_normN4C64`` as in the paper.
    decoders : int
        Decoders that are trained side by side; the best reader counts. One is the paper's.
    decoder_steps : int
        Adam steps of each decoder for one step of the client model; 1 in the paper, with
        which the decoder falls behind.
    decoder_learning_rate : float
        Adam's step size; 1e-3 in the paper.
    decoder_lifetime : int
        Steps after which a decoder is replaced by a fresh one, so that the client model
        cannot just outrun one decoder's habits; 0 never. The decoders are replaced in turn,
        so that an experienced one is always there where there are two.
    """

    epochs: int = Field(ge=1)
    batch: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    ssim_target: float = Field(ge=-1, le=1)
    ssim_weight: float = Field(ge=0)
    decoder: str = Field(pattern=f"^{_DECODER}$")
    decoders: int = Field(ge=1, le=8)
    decoder_steps: int = Field(ge=1, le=100)
    decoder_learning_rate: float = Field(gt=0)
    decoder_lifetime: int = Field(ge=0)

    @property
    def decoder_shape(self) -> DecoderShape:
        """Capacity of the decoders."""
        return decoder.parse(self.decoder)


@final
class AttackSettings(Settings):
    """How fresh attackers are trained on a finished client model.

    Attributes
    ----------
    decoders : str
        Capacities, comma separated, e.g. ``res_normN2C32,res_normN4C64``. One alone says
        little: the paper's evaluation takes ``res_normN4C64``.
    repetitions : int
        Attackers of each capacity, each from its own seed. The same attack on the same model
        varies by a tenth in MSE, so that one alone says little as well.
    epochs : int
        Passes over the images that the attacker knows; 50 in the paper.
    batch : int
        Images per step; 32 in the paper.
    learning_rate : float
        Adam's step size; 1e-3 in the paper.
    validation : float
        Part of the known images by which the best epoch is chosen; 0.1 in the paper.
    small : str
        Small networks beside them (``small_networks.py``), comma separated; empty for none.
    informed_steps : int
        Adam steps of each attacker that learns from all images that the server holds: one of
        each capacity, each small network, and each decoder that the client model was trained
        against, from its weights.
    refinement_steps : int
        Adam steps by which the best attacker's reconstructions are then moved until their
        latents are those received; 0 leaves this out.
    threshold : float
        MSE above which the paper calls a client model resistant; 0.020 there, for CIFAR-10.
    """

    decoders: str = Field(pattern=f"^{_DECODER}(,{_DECODER})*$")
    repetitions: int = Field(ge=1, le=100)
    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    validation: float = Field(gt=0, lt=1)
    small: str = Field(pattern=f"^({_SMALL}(,{_SMALL})*)?$")
    informed_steps: int = Field(ge=1)
    refinement_steps: int = Field(ge=0)
    threshold: float = Field(gt=0, lt=1)

    @property
    def decoder_shapes(self) -> tuple[DecoderShape, ...]:
        """Capacities of the attackers."""
        return tuple(decoder.parse(name) for name in self.decoders.split(","))

    @property
    def small_networks(self) -> tuple[str, ...]:
        """Names of the small networks."""
        return tuple(name for name in self.small.split(",") if name)
