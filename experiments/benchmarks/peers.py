"""The PyTorch side: torch, kornia and antialiased-cnns, where they have the op.

These are measured, never imported by cnn_jax (extra `oracles`; antialiased-cnns is licensed for
non-commercial use).
"""

# pyright: reportMissingImports=false

import math
import warnings
from collections.abc import Callable

import torch
from torch.nn import functional

Shape = tuple[int, int, int, int]
Op = Callable[[torch.Tensor], torch.Tensor]


def _kornia(name: str, *arguments) -> Op:
    from kornia import filters

    return lambda x: getattr(filters, name)(x, *arguments)


def _antialiased(channels: int, size: int) -> Op:
    import antialiased_cnns

    return antialiased_cnns.BlurPool(channels, filt_size=size, stride=2)


def half(x: torch.Tensor) -> tuple[int, int]:
    """Half the size of the map, rounded up."""
    return -(-x.shape[2] // 2), -(-x.shape[3] // 2)


def ops(case: str, channels: int) -> dict[str, Op]:
    """The peers' versions of a case, by library."""
    max_one: Op = lambda x: functional.max_pool2d(x, 2, 1)  # noqa: E731
    if case in ('blur3', 'blur5'):
        size = int(case[-1])
        return {
            'kornia': _kornia('blur_pool2d', size, 2),
            'antialiased-cnns': _antialiased(channels, size),
        }
    if case in ('max_blur3', 'max_blur5'):
        size = int(case[-1])
        blur = _antialiased(channels, size)
        return {
            'kornia': _kornia('max_blur_pool2d', size, 2, 2),
            'antialiased-cnns': lambda x: blur(max_one(x)),
        }
    native: dict[str, Op] = {
        'max': lambda x: functional.max_pool2d(x, 2),
        'max_3x3': lambda x: functional.max_pool2d(x, 3, 2),
        'min': lambda x: -functional.max_pool2d(-x, 2),
        'avg': lambda x: functional.avg_pool2d(x, 2),
        'avg_3x3': lambda x: functional.avg_pool2d(x, 3, 2),
        'sum': lambda x: functional.avg_pool2d(x, 2, divisor_override=1),
        'lp': lambda x: functional.lp_pool2d(x, 2.0, 2),
        'subsample': lambda x: x[:, :, ::2, ::2].clone(),
        'space_to_depth': lambda x: functional.pixel_unshuffle(x, 2),
        'adaptive_avg': lambda x: functional.adaptive_avg_pool2d(x, half(x)),
        'adaptive_max': lambda x: functional.adaptive_max_pool2d(x, half(x)),
    }
    return {'torch': native[case]} if case in native else {}


def _depthwise_blur(size: int, channels: int, device: torch.device) -> Op:
    """Reflect padding and a depthwise convolution, as in torch's blur layers."""
    row = torch.tensor([math.comb(size - 1, k) / 2 ** (size - 1) for k in range(size)])
    kernel = torch.outer(row, row).expand(channels, 1, size, size).contiguous().to(device)
    pad = [(size - 1) // 2, size // 2] * 2
    return lambda x: functional.conv2d(
        functional.pad(x, pad, 'reflect'), kernel, stride=2, groups=channels
    )


def build_on_gpu(case: str, shape: Shape, compiled: bool) -> dict[str, Callable[[], None]]:
    """The calls to time on torch's GPU, without waiting: torch itself, in all layouts and modes."""
    device, (batch, height, width, channels) = torch.device('cuda'), shape
    torch._dynamo.reset()
    found = {} if 'blur' in case else ops(case, channels)
    blurs = {f'{name}{size}': size for name in ('blur', 'max_blur') for size in (3, 5)}
    if case in blurs:
        blur = _depthwise_blur(blurs[case], channels, device)
        found = {'torch': blur}
        if case.startswith('max'):
            found = {'torch': lambda x: blur(functional.max_pool2d(x, 2, 1))}
    plain = torch.randn(batch, channels, height, width, device=device)
    layouts = {'contiguous': plain, 'channels_last': plain.to(memory_format=torch.channels_last)}
    calls = {}
    for op in found.values():
        modes = {'eager': op}
        if compiled:
            modes['compiled'] = torch.compile(op, dynamic=False)
        for mode, function in modes.items():
            for layout, x in layouts.items():
                name = f'{layout} {mode}'
                try:
                    forward, both = _calls(function, x)
                    both()
                except Exception as error:
                    print(f'{case} {shape}: {name} failed: {type(error).__name__}', flush=True)
                    continue
                calls[f'{name} forward'], calls[f'{name} forward+backward'] = forward, both
    return calls


def build(case: str, shape: Shape, threads: int, compiled: bool) -> dict[str, Callable[[], None]]:
    """The calls to time: every library, contiguous and channels_last, eager and compiled."""
    torch.set_num_threads(threads)
    torch._dynamo.reset()  # its limit of compilations counts over all cases
    warnings.filterwarnings('ignore')
    batch, height, width, channels = shape
    plain = torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    layouts = {'contiguous': plain, 'channels_last': plain.to(memory_format=torch.channels_last)}
    calls = {}
    for library, op in ops(case, channels).items():
        modes = {'eager': op}
        if compiled:
            modes['compiled'] = torch.compile(op, dynamic=False)
        for mode, function in modes.items():
            for layout, x in layouts.items():
                name = f'{library} {layout} {mode}'
                try:
                    forward, both = _calls(function, x)
                    both()
                except Exception as error:  # a peer's compiler fails on some cases: report, go on
                    print(f'{case} {shape}: {name} failed: {type(error).__name__}', flush=True)
                    continue
                calls[f'{name} forward'], calls[f'{name} forward+backward'] = forward, both
    return calls


def _calls(op: Op, x: torch.Tensor) -> tuple[Callable[[], None], Callable[[], None]]:
    leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    with torch.no_grad():
        g = torch.randn_like(op(x))

    def forward():
        with torch.no_grad():
            op(x)

    def both():
        leaf.grad = None
        op(leaf).backward(g)

    return forward, both
