"""Records the layers that a model calls while it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array

from cnn_jax.inspection.fields import Window
from cnn_jax.inspection.rules import ATOMS, layer_strategies, layer_windows
from cnn_jax.layers import Downsample, DownsampleBranches, DownsampleWithChoice


@dataclass(frozen=True)
class Output:
    """One output of a layer's call.

    Attributes:
        name: The module's path, its branch if it has two, and the number of the call if not the
            first.
        kind: The class of the module or of its strategy.
        value: The array, traced or not, with a name from `checkpoint_name`.
        mark: That name.
        source: The name of the input to which the window refers.
        window: What it reads of that input, None for all of it; valid only where `known`.
    """

    name: str
    kind: str
    value: Array
    mark: str
    source: str
    window: Window | None
    known: bool


@dataclass(frozen=True)
class Call:
    """One call of a layer: the module without its variables, its inputs and its outputs.

    `own_parameters` counts parameters at a module's first call, without those of the modules that
    it calls. `is_leaf` means that it calls no others.
    """

    module: nn.Module
    inputs: tuple[jax.ShapeDtypeStruct, ...]
    options: Mapping[str, Any]
    outputs: tuple[Output, ...]
    own_parameters: int
    kernel: tuple[int, ...]
    is_leaf: bool


@dataclass
class Recorder:
    """Collects the calls of a model's layers, in order; for `flax.linen.intercept_methods`.

    A layer is a module that calls no other module, one of ATOMS, or any module that itself owns
    parameters. Modules that return their input are not recorded, such as dropout in evaluation or a
    strategy that gave its stride to the preceding convolution.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, recorder = ConvNet1(Max(), 10), Recorder()
    >>> images = jax.numpy.zeros((1, 28, 28, 1))
    >>> with nn.intercept_methods(recorder):
    ...     logits, _ = model.init_with_output(jax.random.key(0), images, train=False)
    >>> [output.name for call in recorder.calls for output in call.outputs]
    ['conv1', 'norm1', 'pool1', 'conv2', 'norm2', 'pool2', 'dense']
    """

    calls: list[Call] = field(default_factory=list)
    _marks: int = 0
    _in_atom: bool = False
    _times: dict[tuple[str, ...], int] = field(default_factory=dict)

    def __call__(
        self,
        next_fun: Callable[..., Any],
        args: tuple,
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        """Calls the layer and records the call."""
        module = context.module
        if context.method_name != '__call__' or self._in_atom or not args:
            return next_fun(*args, **kwargs)
        inputs, marks = zip(*map(self._mark, args), strict=True)
        before, self._in_atom = len(self.calls), isinstance(module, ATOMS)
        try:
            result = next_fun(*inputs, **kwargs)
        finally:
            self._in_atom = False
        choosing = isinstance(module, DownsampleWithChoice)
        values = result[:1] if choosing else result if isinstance(result, tuple) else (result,)
        own = {
            name: value
            for name, value in module.variables.get('params', {}).items()
            if isinstance(module, ATOMS) or not isinstance(value, Mapping)
        }
        is_leaf = len(self.calls) == before
        arrays = all(isinstance(value, jax.Array) for value in (*values, *inputs))
        handed_on = all(any(value is x for x in inputs) for value in values)
        if not arrays or handed_on or not (is_leaf or own):
            return result
        outputs = self._outputs(module, inputs, marks, kwargs, values)
        first = self._times[module.path] == 1
        self.calls.append(
            Call(
                Downsample(module.strategy, parent=None)
                if choosing
                else module.clone(parent=None, name=None),
                tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in inputs),
                kwargs,
                outputs,
                sum(leaf.size for leaf in jax.tree.leaves(own)) if first else 0,
                own['kernel'].shape if 'kernel' in own else (),
                is_leaf,
            )
        )
        values = tuple(output.value for output in outputs)
        if choosing:
            return *values, *result[1:]
        return values if isinstance(result, tuple) else values[0]

    def _mark(self, value: Any) -> tuple[Any, str]:
        self._marks += 1
        mark = f'cnn_jax inspection {self._marks}'
        named = checkpoint_name(value, mark) if isinstance(value, jax.Array) else value
        return named, mark

    def _outputs(
        self, module: nn.Module, inputs: tuple, marks: tuple, options: dict, values: tuple
    ) -> tuple[Output, ...]:
        self._times[module.path] = self._times.get(module.path, 0) + 1
        times, size = self._times[module.path], inputs[0].shape[1:-1]
        path = '/'.join(module.path) or type(module).__name__
        if times > 1:
            path = f'{path} ({times})'
        names = [f'{path}/main', f'{path}/shortcut']
        if not isinstance(module, DownsampleBranches):
            names = [path] if len(values) == 1 else [f'{path}/{i}' for i in range(len(values))]
        kinds = [type(s).__name__ for s in layer_strategies(module, size, options)]
        kinds = kinds or [type(module).__name__] * len(values)
        windows = layer_windows(module, size, options)
        outputs = []
        for i, (name, kind, value) in enumerate(zip(names, kinds, values, strict=True)):
            named, mark = self._mark(value)
            source = marks[min(i, len(marks) - 1)]
            window = windows[i] if windows else None
            outputs.append(Output(name, kind, named, mark, source, window, bool(windows)))
        return tuple(outputs)
