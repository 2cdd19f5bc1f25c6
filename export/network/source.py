"""Where networks come from: a torch module by its factory's name, or a forward ONNX file."""

from __future__ import annotations

import importlib
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle import open_session

from ..errors import NetworkError
from ..graph.tape import OPSET
from .dropout import with_masks
from .posterior import Posterior

ForwardPass = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Network:
    """One trained network: its forward graph, and the framework's own way to run it.

    model: as the framework gave it, before normalisation. forward: image float32 [1, C, H, W] to the
    list of outputs, run by `framework`, against which the bundle is compared. posterior: of the last
    layer, where it came with one.
    """

    name: str
    framework: str
    model: ir.Model
    forward: ForwardPass
    posterior: Posterior | None = None


def load(source: str, image_shape: tuple[int, ...], masks: int | None = None) -> list[Network]:
    """The network (or, from a factory that returns several, the ensemble's members) at `source`:
    a path ending in .onnx, or `package.module:factory`. masks: so many dropout masks, drawn here, each
    a member.

    Raises NetworkError if there is none, or it cannot be read.
    """
    if source.endswith(".onnx"):
        if masks:
            raise NetworkError(f"network {source}: dropout masks are drawn for a torch module. Give its factory.")
        return [_from_file(Path(source))]
    if ":" not in source:
        raise NetworkError(
            f"network {source!r}: expected a file ending in .onnx, or package.module:factory, "
            "a function without arguments that returns a torch module"
        )
    made = _call_factory(source)
    return from_modules(with_masks(made, masks, image_shape, source) if masks else made, image_shape, source)


def select(network: Network, outputs: Sequence[int]) -> Network:
    """The network with only those of its outputs, by number; all of them if none is given.

    Raises NetworkError for a number that it has not.
    """
    results = list(network.model.graph.outputs)
    if not outputs:
        return network
    if max(outputs) >= len(results):
        names = ", ".join(f"{i} {result.name}" for i, result in enumerate(results))
        raise NetworkError(f"{network.name}: no output {max(outputs)}, expected one of: {names}")
    model = network.model.clone()
    model.graph.outputs[:] = [list(model.graph.outputs)[i] for i in outputs]
    forward = network.forward
    return replace(network, model=model, forward=lambda image: [forward(image)[i] for i in outputs])


def from_modules(modules: Any, image_shape: tuple[int, ...], name: str) -> list[Network]:
    """Networks of torch modules, exported for static `image_shape` [1, C, H, W]."""
    import torch

    if type(modules).__module__.split(".")[0] == "laplace":
        (network,) = from_modules(modules.model.model, image_shape, name)
        return [replace(network, posterior=Posterior.of(modules))]
    if isinstance(modules, torch.nn.Module) and not isinstance(modules, torch.nn.ModuleList):
        modules = [modules]
    if not isinstance(modules, Sequence | torch.nn.ModuleList) or not len(modules):
        raise NetworkError(f"{name}: expected a torch module or a list of them, got {type(modules).__name__}")
    return [_from_module(module, image_shape, f"{name}[{i}]") for i, module in enumerate(modules)]


def _call_factory(source: str) -> Any:
    module_name, _, factory = source.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: a factory beside the user's feet is found
    try:
        make = getattr(importlib.import_module(module_name), factory)
    except ModuleNotFoundError as error:
        raise NetworkError(f"network {source}: {error}. Install it, or run from the folder it is in.") from error
    except AttributeError as error:
        raise NetworkError(f"network {source}: {error}") from error
    try:
        return make()
    except Exception as error:  # whatever the user's own function raises
        raise NetworkError(f"network {source}: the factory failed: {type(error).__name__}: {error}") from error


def _from_module(module: Any, image_shape: tuple[int, ...], name: str) -> Network:
    import torch

    module = module.eval()
    model = _traced(module, torch.zeros(image_shape), name)

    def forward(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with torch.no_grad():
            return [tensor.numpy() for tensor in _tensors(module(torch.from_numpy(image)))]

    return Network(name, f"torch {torch.__version__}", model, forward)


def _traced(module: Any, example: Any, name: str) -> ir.Model:
    """The forward graph by torch's exporter; by its older, TorchScript-based one where the new one fails.

    Attention is traced by its formula: fused kernels for the processor leave strides that the exporter
    cannot view (seen: windows of Swin).
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    # Of every export: which packages it could support if they were installed, and its own deprecations.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder, sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                module, (example,), dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
                optimize=False,  # would drop biases that are zero: they are parameters, with information
            )  # fmt: skip
            assert program is not None
            for value in program.model.graph.initializers.values():
                assert value.const_value is not None
                value.const_value.numpy()  # fails for tensors made in forward() that were traced without numbers
            return program.model
        except Exception as error:  # torch raises many kinds; all mean that this way of tracing fails
            first = error
        path = Path(folder) / "traced.onnx"
        try:
            torch.onnx.export(module, (example,), str(path), dynamo=False, opset_version=OPSET, verbose=False)
        except Exception as error:
            raise NetworkError(f"{name}: torch cannot export this module: {first}") from error
        return ir.from_proto(onnx.load(path))


def _tensors(result: Any) -> list[Any]:
    """The tensors in what a module returns, in the order in which torch exports them: a tensor, tuple,
    list or mapping of them."""
    if isinstance(result, Mapping):
        return _tensors(list(result.values()))
    if isinstance(result, tuple | list):
        return [tensor for item in result for tensor in _tensors(item)]
    return [] if result is None else [result]


def _from_file(path: Path) -> Network:
    if not path.is_file():
        raise NetworkError(f"network {path}: no such file")
    try:
        model = ir.load(path)
        session = open_session(path)
    except Exception as error:  # protobuf and ONNX Runtime raise kinds of their own
        raise NetworkError(f"network {path}: not a readable ONNX model: {error}") from error
    if len(session.get_inputs()) != 1:
        names = ", ".join(value.name for value in session.get_inputs())
        raise NetworkError(f"network {path}: inputs {names}, expected one image [N, C, H, W]")
    (image,) = session.get_inputs()

    def forward(array: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return list(session.run(None, {image.name: array}))

    return Network(str(path), f"onnxruntime {version('onnxruntime')}", model, forward)
