"""From the records of a published file to a network's geometry and tensors.

Geometry is read off the stored tensors and attributes, never off constructor arguments:
StyleGAN-XL's say little more than where its author kept another file.
"""

from pydantic import ValidationError
from torch import Tensor

from generators.stylegan.mapping import MappingConfig
from generators.stylegan.network import Description, StyleGANConfig
from generators.stylegan.records import Record
from generators.stylegan.stylegan2 import StyleGAN2Config
from generators.stylegan.stylegan2_record import describe_stylegan2
from generators.stylegan.stylegan3 import StyleGAN3Config
from generators.stylegan.stylegan3_record import describe_stylegan3
from strategies.common.errors import GeneratorError


def describe(generator: Record) -> Description:
    """Describe a generator from its record.

    Parameters
    ----------
    generator : Record
        The module with ``mapping`` and ``synthesis``, as ``unpickling.read`` returns it.

    Raises
    ------
    GeneratorError
        If it belongs to no known family, or its parts disagree.
    """
    if not (generator.has_child("mapping") and generator.has_child("synthesis")):
        raise GeneratorError(
            f"network {generator.class_name}: expected a StyleGAN generator with a mapping and a "
            f"synthesis network, got modules {', '.join(generator.children()) or 'none'}"
        )
    try:
        mapping, tensors = _describe_mapping(generator.child("mapping"))
        synthesis, drawn = _describe_synthesis(generator.child("synthesis"))
        config = StyleGANConfig(mapping=mapping, synthesis=synthesis)
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(map(str, found["loc"])) or "geometry"
        raise GeneratorError(
            f"network {generator.class_name}: {error.title} {place}: {found['msg']}, got "
            f"{found['input']!r:.80}"
        ) from None
    named = {f"mapping.{name}": tensor for name, tensor in tensors.items()}
    named.update({f"synthesis_network.{name}": tensor for name, tensor in drawn.items()})
    return Description(config, named)


def _describe_synthesis(
    synthesis: Record,
) -> tuple[StyleGAN2Config | StyleGAN3Config, dict[str, Tensor]]:
    if synthesis.attribute("layer_names") is not None:
        return describe_stylegan3(synthesis)
    if synthesis.attribute("block_resolutions") is not None:
        return describe_stylegan2(synthesis)
    raise GeneratorError(
        f"network {synthesis.path} ({synthesis.class_name}): expected the synthesis network of "
        f"StyleGAN2, StyleGAN3 or StyleGAN-XL (with block_resolutions or layer_names), got "
        f"neither; other families are not supported"
    )


def _describe_mapping(mapping: Record) -> tuple[MappingConfig, dict[str, Tensor]]:
    layers: list[Record] = []
    while mapping.has_child(f"fc{len(layers)}"):
        layers.append(mapping.child(f"fc{len(layers)}"))
    tensors = {"w_avg": mapping.tensor("w_avg")}
    for place, layer in enumerate(layers):
        tensors.update(_connected(layer, f"layers.{place}"))
    labels, label_dim, table_dim = "none", 0, 0
    # StyleGAN-XL keeps its table even where it was trained without classes.
    if layers and layers[0].tensor("weight").shape[-1] > mapping.integer("z_dim"):
        labels = "table" if mapping.has_child("embed_proj") else "linear"
        embed = mapping.child("embed_proj" if labels == "table" else "embed")
        tensors.update(_connected(embed, "embed"))
        label_dim = len(tensors["embed.weight"])
        if labels == "table":
            tensors["table"] = mapping.child("embed").tensor("weight")
            table_dim = tensors["table"].shape[-1]
    config = MappingConfig.model_validate(
        {
            "z_dim": mapping.integer("z_dim"),
            "c_dim": mapping.integer("c_dim"),
            "w_dim": mapping.integer("w_dim"),
            "num_ws": mapping.integer("num_ws"),
            "widths": tuple(len(tensors[f"layers.{place}.weight"]) for place in range(len(layers))),
            # The biases of a layer are multiplied by its learning rate factor alone.
            "learning_rate_factor": layers[0].number("bias_gain") if layers else 1.0,
            "labels": labels,
            "label_dim": label_dim,
            "table_dim": table_dim,
            "average_per_class": tensors["w_avg"].ndim == 2,
        }
    )
    return config, tensors


def _connected(layer: Record, name: str) -> dict[str, Tensor]:
    weight = layer.tensor("weight")
    if weight.ndim != 2:
        raise GeneratorError(
            f"network {layer.path}: expected a weight of two axes, got {tuple(weight.shape)}"
        )
    return {f"{name}.weight": weight, f"{name}.bias": layer.tensor("bias")}
