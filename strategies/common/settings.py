"""Run settings: frozen, checked objects.

The classes say what each value means and which values are allowed; defaults stand in
``pyproject.toml``. General settings are flat keys; each method and each generator has a table of
its own (``fedktl.transfer-weight``).
"""

from dataclasses import dataclass
from typing import Final, Literal, final

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticKnownError

from strategies.common.tested import Tested

# What Flower's configs carry (sint64); generators of torch and numpy take any seed up to it.
LARGEST: Final = 2**63 - 1
# Side of an image, in pixels.
LARGEST_IMAGE: Final = 1024

# Steps of a window of sensor readings.
LONGEST_WINDOW: Final = 65_536

# What no message may set: where and how a device keeps and computes, and what it tells of itself.
DEVICES_OWN: Final = frozenset(
    {"state-dir", "device", "client-threads", "share-class-counts", "share-class-names"}
)


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, kebab-case in the config."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=_kebab,
        validate_by_name=True,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _can_travel(cls, value: object) -> object:
        # Before: a fraction may be written as a whole number, which travels as one.
        if isinstance(value, int) and value > LARGEST:
            raise PydanticKnownError("less_than_equal", {"le": LARGEST})
        return value

    def server_files(self) -> dict[str, str]:
        """Return the files that the server reads, by the setting that names each."""
        return {}

    def named_model(self, run: "RunSettings") -> "NamedModel | None":  # noqa: ARG002
        """Return the model beside clients' own that a setting names, if one does."""
        return None

    def clash(self, run: "RunSettings") -> str | None:  # noqa: ARG002
        """Return what does not go with a run's general settings: name, expected and got."""
        return None

    def follows_rounds(self) -> bool:
        """Tell whether what a round does follows from how many rounds the run has."""
        return False

    def testing(self, usual: Tested) -> Tested:
        """Return which model is tested where the method's usual one is this."""
        return usual


@final
@dataclass(frozen=True)
class NamedModel:
    """A model of the zoo, or of the run's, that a setting names.

    Attributes
    ----------
    setting, name : str
        The setting in full, and what it names.
    feature_dim : int | None
        Width of its features; ``None`` for that of the run.
    """

    setting: str
    name: str
    feature_dim: int | None = None


@final
class RunSettings(Settings):
    """What holds for every method.

    Attributes
    ----------
    method : str
        Name in ``strategies/methods.py``.
    generator : str
        What the server draws with, by methods that need a generator: ``oriented``,
        ``stylegan:<file>``, ``diffusers:<folder or hub id>`` or ``noise``.
    models : str
        Model names, comma separated, dealt to partitions in turn; a model of your own is
        ``<file>.py:<name>`` or ``<module>:<name>``.
    weights : str
        What models start from: fresh weights if empty, those of ``torchvision`` where it has any,
        or a file of a model's state, with ``{model}`` for the name of each client's model.
    feature_dim : int
        Width that every model's features are pooled to; 0 keeps each model's own width.
    data : str
        Source of data: ``digits``, ``parquet:<dir>``, ``pfllib:<dir>``, ``images:<dir>``,
        ``folder:<dir>``, ``hub:<name>``, ``csv:<file>``, ``own-csv:<file>`` or ``sentences``. A
        device may name its own in its node config.
    open_data : str
        Source of samples whose labels nobody reads, which server and clients all hold, for methods
        that ask clients about them: ``digits``, ``parquet:<dir>``, ``images:<dir>``,
        ``folder:<dir>``, ``hub:<name>``, ``csv:<file>`` or ``sentences``; empty for none. A device
        may name its own copy in its node config. If it is the same as ``data``, ``open_samples`` of
        that are given to no client.
    open_samples : int
        How many of them; 0 takes all.
    partition : str
        How a common data set is dealt to clients; sources that are already split ignore it.
    dirichlet_alpha : float
        Concentration of the Dirichlet partition; smaller is less alike.
    classes_per_client, shards_per_client : int
        Classes each client holds in the pathological partition, label-sorted shards in ``shards``.
    min_train_samples, min_test_samples : int
        Fewest samples with which a client may start; batch normalisation needs two to train.
    max_samples : int
        Most samples a client keeps, train and test together; 0 keeps all.
    max_answers : int
        Longest list of answers of a client that answers questions: its most frequent ones.
    test_fraction : float
        Part of each client's samples that it tests on and never trains on.
    validation_share : float
        Part of each client's training samples that it keeps out of training for the whole run, and
        is tested on whenever it tests; 0 keeps out none.
    image_size : int
        Side in pixels to which images are resized on the device; 0 keeps their size.
    window_length : int
        Steps to which windows of sensor readings are resampled on the device; 0 keeps theirs.
    normalise : str
        ``"channels"`` gives each channel of windows mean 0 and deviation 1, by the client's own
        training windows when it first learns; ``"none"`` takes readings as they are.
    channels : int
        1 reads all images in grey, 3 in colour; 0 takes them as the data are. Devices must agree.
    label_column, input_columns : str
        Of a table: names, or numbers from 1; inputs comma separated. Empty finds them.
    text_length : int
        Words of a text that are read: longer ones are cut, shorter ones filled up.
    vocabulary : int
        Numbers that words are hashed to, where no file lists them.
    vocabulary_file : str
        One word in each line, the same on every device; empty hashes words.
    rounds : int
        Last round of the run.
    local_epochs : int
        Passes over a client's training data in one round.
    clients_per_node : int
        Logical clients that one node carries, each with data and a model of its own, by
        methods that exchange activations; 1 for all others.
    batch_size : int
        Samples per optimiser step; batch normalisation needs two.
    batches : str
        ``"shuffled"`` anew in each pass; or ``"fixed"``, in the order of the files and without an
        incomplete last one, as some research codes have it. Of clients with models of their own.
    initial_weights : str
        Of each client's model: its ``"own"``, or ``"alike"`` for all of one architecture.
    learning_rate : float
        Step size of the clients' optimiser, at the start of its schedule.
    optimiser : str
        ``"sgd"`` or ``"adamw"``, of clients that train models of their own; split methods and
        adapters have tables of their own for this and the next three.
    momentum : float
        Of SGD; with AdamW the decay of its first moment (beta 1), of which 0 takes 0.9.
        Moments are kept from round to round.
    weight_decay : float
        Of either optimiser.
    schedule : str
        ``"constant"``; ``"cosine"`` falls to 0 at the end of the run; ``"step"`` falls to a
        tenth after half of it and to a hundredth after three quarters.
    participation : float
        Part of the known clients that trains in a round (rho in the papers).
    evaluate_every : int
        Every so many rounds, and in the last, clients that did not take part are evaluated; 0
        evaluates them in the last alone.
    stop_after : int
        Rounds without a higher mean validation accuracy after which the run ends; 0 never.
    min_nodes, min_replies : int
        Nodes to wait for before a round starts; good replies without which it does not count.
    quorum_timeout_s, round_deadline_s : float
        Longest wait for nodes before a round, and for replies within a round.
    max_report_bytes : int
        Longest report (metrics beside the payload) that is read from a device.
    wire_dtype : str
        What floating-point tensors travel as.
    share_class_counts : bool
        Whether devices tell the server how many samples of each class they hold, for the
        partition picture, and how each class fared in a test, for macro-F1.
    share_class_names : bool
        Whether devices tell the server what their classes are called; with ``False`` it learns a
        digest of the names, by which devices of other classes are refused all the same.
    augmentation : str
        What comes before the first round: ``"none"``, or ``"faug"``, with which clients generate
        samples of labels that they lack.
    seed : int
        Root of all randomness.
    device : str
        Torch device of the clients: ``cpu``, ``cuda`` or ``auto``.
    server_device : str
        Torch device of the server: ``cpu``, ``cuda`` or ``auto``.
    client_threads, server_threads : int
        Torch threads of one client and of the server; another number can change the last
        digits of a result.
    run_name : str
        Folder of the run under ``runs_dir``; empty makes one from method and time.
    runs_dir, state_dir : str
        Where the server keeps runs, and where a device keeps private state unless its node
        config names a ``state-dir``.
    compare_with : str
        Name of a finished run under ``runs_dir`` that the report draws beside this one.
    writers : str
        Programs that the server tells the rounds to while the run goes on, comma separated:
        ``tensorboard``, ``wandb``, ``mlflow``; empty for none.
    resume : bool
        Go on after the last complete round of ``run_name``.
    resume_from : int
        With ``resume``: go on after this round, and leave later ones behind; 0 for the last one.
    """

    method: str
    generator: str
    models: str
    weights: str
    feature_dim: int = Field(ge=0, le=65536)
    data: str
    open_data: str
    open_samples: int = Field(ge=0)
    partition: Literal["iid", "dirichlet", "pathological", "shards"]
    dirichlet_alpha: float = Field(gt=0)
    classes_per_client: int = Field(ge=1)
    shards_per_client: int = Field(ge=1)
    min_train_samples: int = Field(ge=2)
    min_test_samples: int = Field(ge=1)
    max_samples: int = Field(ge=0)
    max_answers: int = Field(ge=1, le=100_000)
    test_fraction: float = Field(gt=0, lt=1)
    validation_share: float = Field(ge=0, le=0.5)
    image_size: int = Field(ge=0, le=LARGEST_IMAGE)
    window_length: int = Field(ge=0, le=LONGEST_WINDOW)
    normalise: Literal["none", "channels"]
    channels: Literal[0, 1, 3]
    label_column: str
    input_columns: str
    text_length: int = Field(ge=1, le=4096)
    vocabulary: int = Field(ge=2, le=2**20)
    vocabulary_file: str
    rounds: int = Field(ge=1)
    local_epochs: int = Field(ge=1)
    clients_per_node: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=2)
    batches: Literal["shuffled", "fixed"]
    initial_weights: Literal["own", "alike"]
    learning_rate: float = Field(gt=0)
    optimiser: Literal["sgd", "adamw"]
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "cosine", "step"]
    participation: float = Field(gt=0, le=1)
    evaluate_every: int = Field(ge=0)
    stop_after: int = Field(ge=0)
    min_nodes: int = Field(ge=1)
    min_replies: int = Field(ge=1)
    quorum_timeout_s: float = Field(gt=0)
    round_deadline_s: float = Field(gt=0)
    max_report_bytes: int = Field(ge=1024)
    wire_dtype: Literal["float32", "float16"]
    share_class_counts: bool
    share_class_names: bool
    augmentation: Literal["none", "faug"]
    seed: int = Field(ge=0)
    device: Literal["cpu", "cuda", "auto"]
    server_device: Literal["cpu", "cuda", "auto"]
    client_threads: int = Field(ge=1)
    server_threads: int = Field(ge=1)
    run_name: str = Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._=,+-]{0,99})?$")
    runs_dir: str = Field(min_length=1)
    state_dir: str = Field(min_length=1)
    compare_with: str = Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._=,+-]{0,99})?$")
    writers: str
    resume: bool
    resume_from: int = Field(ge=0)

    @field_validator("label_column", "input_columns", mode="before")
    @classmethod
    def _may_be_a_number(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def named_inputs(self) -> tuple[str, ...]:
        """Columns that ``input_columns`` names; none where they are to be found."""
        return tuple(one.strip() for one in self.input_columns.split(",") if one.strip())

    def is_evaluated(self, round_number: int) -> bool:
        """Tell whether an evaluation of its own follows a round: the last in any case.

        Round 0 stands for the time before the first.
        """
        every = self.evaluate_every
        return round_number == self.rounds or bool(every and round_number % every == 0)
