from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Codec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNSPECIFIED: _ClassVar[Codec]
    FLOAT32: _ClassVar[Codec]
    FLOAT16: _ClassVar[Codec]
    UINT8: _ClassVar[Codec]
    INT64: _ClassVar[Codec]
UNSPECIFIED: Codec
FLOAT32: Codec
FLOAT16: Codec
UINT8: Codec
INT64: Codec

class Block(_message.Message):
    __slots__ = ("codec", "shape", "scales")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SCALES_FIELD_NUMBER: _ClassVar[int]
    codec: Codec
    shape: _containers.RepeatedScalarFieldContainer[int]
    scales: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, codec: _Optional[_Union[Codec, str]] = ..., shape: _Optional[_Iterable[int]] = ..., scales: _Optional[_Iterable[float]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("version", "node", "cohort", "digest", "session")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    node: int
    cohort: int
    digest: bytes
    session: bytes
    def __init__(self, version: _Optional[int] = ..., node: _Optional[int] = ..., cohort: _Optional[int] = ..., digest: _Optional[bytes] = ..., session: _Optional[bytes] = ...) -> None: ...

class Activations(_message.Message):
    __slots__ = ("step", "tensors")
    STEP_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    step: int
    tensors: _containers.RepeatedCompositeFieldContainer[Block]
    def __init__(self, step: _Optional[int] = ..., tensors: _Optional[_Iterable[_Union[Block, _Mapping]]] = ...) -> None: ...

class Survey(_message.Message):
    __slots__ = ("number", "client", "split", "activations", "labels")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    number: int
    client: int
    split: int
    activations: Block
    labels: Block
    def __init__(self, number: _Optional[int] = ..., client: _Optional[int] = ..., split: _Optional[int] = ..., activations: _Optional[_Union[Block, _Mapping]] = ..., labels: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class Farewell(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Up(_message.Message):
    __slots__ = ("hello", "activations", "survey", "farewell", "numbers")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    SURVEY_FIELD_NUMBER: _ClassVar[int]
    FAREWELL_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    activations: Activations
    survey: Survey
    farewell: Farewell
    numbers: bytes
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., activations: _Optional[_Union[Activations, _Mapping]] = ..., survey: _Optional[_Union[Survey, _Mapping]] = ..., farewell: _Optional[_Union[Farewell, _Mapping]] = ..., numbers: _Optional[bytes] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    def __init__(self, session: _Optional[bytes] = ...) -> None: ...

class Gradients(_message.Message):
    __slots__ = ("step", "gradient")
    STEP_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    step: int
    gradient: Block
    def __init__(self, step: _Optional[int] = ..., gradient: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class Skipped(_message.Message):
    __slots__ = ("step", "next_step")
    STEP_FIELD_NUMBER: _ClassVar[int]
    NEXT_STEP_FIELD_NUMBER: _ClassVar[int]
    step: int
    next_step: int
    def __init__(self, step: _Optional[int] = ..., next_step: _Optional[int] = ...) -> None: ...

class Taken(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Down(_message.Message):
    __slots__ = ("welcome", "gradients", "skipped", "taken", "refusal", "numbers")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    gradients: Gradients
    skipped: Skipped
    taken: Taken
    refusal: Refusal
    numbers: bytes
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., gradients: _Optional[_Union[Gradients, _Mapping]] = ..., skipped: _Optional[_Union[Skipped, _Mapping]] = ..., taken: _Optional[_Union[Taken, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ..., numbers: _Optional[bytes] = ...) -> None: ...
