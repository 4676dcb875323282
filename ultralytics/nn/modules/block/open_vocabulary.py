"""Layers that relate image features to embeddings of texts or of image regions (YOLO-World, YOLOE).

Shapes: B images, C channels, K classes (prompts), D embedding width, M heads, HW positions of a map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.block.bottleneck import Bottleneck
from ultralytics.nn.modules.block.csp import C2f
from ultralytics.nn.modules.conv import Conv

__all__ = [
    "SAVPE",
    "BNContrastiveHead",
    "C2fAttn",
    "ContrastiveHead",
    "ImagePoolingAttn",
    "MaxSigmoidAttnBlock",
    "Residual",
    "SwiGLUFFN",
]

FIRST_BIAS = -10.0


class MaxSigmoidAttnBlock(nn.Module):
    """Scales features by how well the best of several embeddings fits them (YOLO-World, arXiv 2401.17270).

    Args:
        c1, c2: channels in and out.
        nh: heads, each with its own share of the channels and its own attention map.
        ec: channels that are compared; projected to when other than `c1`.
        gc: width of the embeddings.
        scale: learn a factor per head.
    """

    def __init__(
        self, c1: int, c2: int, nh: int = 1, ec: int = 128, gc: int = 512, scale: bool = False
    ) -> None:
        super().__init__()
        self.nh = nh
        self.hc = c2 // nh
        self.ec = Conv(c1, ec, k=1, act=False) if c1 != ec else None
        self.gl = nn.Linear(gc, ec)
        self.bias = nn.Parameter(torch.zeros(nh))
        self.proj_conv = Conv(c1, c2, k=3, s=1, act=False)
        self.scale: nn.Parameter | float = nn.Parameter(torch.ones(1, nh, 1, 1)) if scale else 1.0

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Features (B, c2, H, W) from maps (B, c1, H, W) and embeddings (B, K, gc)."""
        batch, _, height, width = x.shape
        embeddings = self.gl(guide).view(batch, guide.shape[1], self.nh, self.hc).transpose(1, 2)
        pixels = x if self.ec is None else self.ec(x)
        pixels = pixels.reshape(batch, self.nh, self.hc, height * width)
        fit = (embeddings @ pixels).amax(dim=2) / self.hc**0.5 + self.bias[:, None]  # (B, M, HW)
        weight = fit.sigmoid().view(batch, self.nh, height, width) * self.scale
        values = self.proj_conv(x).view(batch, self.nh, -1, height, width)
        return (values * weight.unsqueeze(2)).view(batch, -1, height, width)


class C2fAttn(C2f):
    """`C2f` with an attention to embeddings at the end of its chain."""

    def __init__(
        self,
        c1: int,
        c2: int,
        n: int = 1,
        ec: int = 128,
        nh: int = 1,
        gc: int = 512,
        shortcut: bool = False,
        g: int = 1,
        e: float = 0.5,
    ) -> None:
        nn.Module.__init__(self)
        self._wire(c1, c2, n, e, lambda c: Bottleneck(c, c, shortcut, g, (3, 3), 1.0), extra=1)
        self.attn = MaxSigmoidAttnBlock(self.c, self.c, gc=gc, ec=ec, nh=nh)

    def _guided(self, parts: list[Tensor], guide: Tensor) -> Tensor:
        for unit in self.m:
            parts.append(unit(parts[-1]))
        parts.append(self.attn(parts[-1], guide))
        return self.cv2(torch.cat(parts, dim=1))

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:  # type: ignore[override]
        """Features of maps (B, c1, H, W), guided by embeddings (B, K, gc)."""
        return self._guided(list(self.cv1(x).chunk(2, 1)), guide)

    def forward_split(self, x: Tensor, guide: Tensor) -> Tensor:  # type: ignore[override]
        """The same with explicit sizes, for runtimes without chunking."""
        return self._guided(list(self.cv1(x).split((self.c, self.c), 1)), guide)


class ImagePoolingAttn(nn.Module):
    """Embeddings updated by attention to the strongest responses of several maps (YOLO-World, section 3.3).

    Args:
        ec: inner width.
        ch: channels of the maps.
        ct: width of the embeddings.
        nh: heads.
        k: cells per side that each map is pooled to.
        scale: learn a factor of the update.
    """

    def __init__(
        self,
        ec: int = 256,
        ch: Sequence[int] = (),
        ct: int = 512,
        nh: int = 8,
        k: int = 3,
        scale: bool = False,
    ) -> None:
        super().__init__()
        self.query = nn.Sequential(nn.LayerNorm(ct), nn.Linear(ct, ec))
        self.key = nn.Sequential(nn.LayerNorm(ec), nn.Linear(ec, ec))
        self.value = nn.Sequential(nn.LayerNorm(ec), nn.Linear(ec, ec))
        self.proj = nn.Linear(ec, ct)
        self.scale: nn.Parameter | float = nn.Parameter(torch.tensor([0.0])) if scale else 1.0
        self.projections = nn.ModuleList(nn.Conv2d(c, ec, kernel_size=1) for c in ch)
        self.im_pools = nn.ModuleList(nn.AdaptiveMaxPool2d((k, k)) for _ in ch)
        self.ec = ec
        self.nh = nh
        self.nf = len(ch)
        self.hc = ec // nh
        self.k = k

    def forward(self, x: Sequence[Tensor], text: Tensor) -> Tensor:
        """Updated embeddings (B, K, ct) from maps and embeddings (B, K, ct)."""
        batch = x[0].shape[0]
        maps = [project(level) for project, level in zip(self.projections, x, strict=True)]
        cells = torch.cat([self._strongest(level, i) for i, level in enumerate(maps)], dim=-1)
        tokens = cells.transpose(1, 2)  # (B, nf * k * k, ec)
        q, k, v = (
            part.reshape(batch, -1, self.nh, self.hc).transpose(1, 2)
            for part in (self.query(text), self.key(tokens), self.value(tokens))
        )
        weights = (q @ k.transpose(2, 3) / self.hc**0.5).softmax(dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, -1, self.ec)
        return self.proj(mixed) * self.scale + text

    def _strongest(self, x: Tensor, level: int) -> Tensor:
        """Largest values (B, C, k * k) of k x k windows that cover a map."""
        if not torch.jit.is_tracing():  # type: ignore[attr-defined]
            return self.im_pools[level](x).flatten(2)
        # ONNX has no pooling to a given size: the same windows one by one
        rows, columns = (_windows(side, self.k) for side in x.shape[2:])
        return torch.stack([x[..., r, c].amax(dim=(2, 3)) for r in rows for c in columns], dim=-1)


def _windows(side: int, count: int) -> list[slice]:
    """Windows of adaptive pooling: they overlap where the side is no multiple of their number."""
    return [slice(i * side // count, -((i + 1) * side // -count)) for i in range(count)]


class ContrastiveHead(nn.Module):
    """Class logits as scaled cosines between pixels and embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([FIRST_BIAS]))
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Logits (B, K, H, W) of maps (B, D, H, W) and embeddings (B, K, D)."""
        pixels = F.normalize(x, dim=1, p=2)
        return _logits(pixels, F.normalize(w, dim=-1, p=2), self.logit_scale, self.bias)


class BNContrastiveHead(nn.Module):
    """Like `ContrastiveHead` with batch normalisation of the pixels in place of unit length."""

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(embed_dims)
        self.bias = nn.Parameter(torch.tensor([FIRST_BIAS]))
        self.logit_scale = nn.Parameter(torch.tensor(-1.0))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Logits (B, K, H, W) of maps (B, D, H, W) and embeddings (B, K, D)."""
        return _logits(self.norm(x), F.normalize(w, dim=-1, p=2), self.logit_scale, self.bias)

    def fuse(self) -> None:
        """Pass logits through from now on; what the layer did is then part of the convolution before it."""
        del self.norm, self.bias, self.logit_scale
        self.forward = self.forward_fuse  # type: ignore[method-assign]

    # stored in files under this name; without `self`, because it is stored as a plain function
    @staticmethod
    def forward_fuse(x: Tensor, w: Tensor) -> Tensor:
        """The first argument."""
        return x


def _logits(pixels: Tensor, embeddings: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    fit = embeddings @ pixels.flatten(2)
    return fit.view(-1, embeddings.shape[1], *pixels.shape[2:]) * scale.exp() + bias


class SwiGLUFFN(nn.Module):
    """Feed-forward layer gated by a SiLU (arXiv 2002.05202): gc -> ec, `e` times as wide inside."""

    def __init__(self, gc: int, ec: int, e: int = 4) -> None:
        super().__init__()
        self.w12 = nn.Linear(gc, e * ec)
        self.w3 = nn.Linear(e * ec // 2, ec)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(gate) * value)


class Residual(nn.Module):
    """Input plus a layer of it; starts as the identity, for layers that end in `w3`."""

    def __init__(self, m: nn.Module) -> None:
        super().__init__()
        self.m = m
        last = m.w3
        assert isinstance(last, nn.Linear)  # the layers this is made for
        nn.init.zeros_(last.bias)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.m(x)


class SAVPE(nn.Module):
    """Embeddings of image regions: features averaged with learned weights inside masks (YOLOE, arXiv 2503.07465).

    Args:
        ch: channels of three maps, each half the size of the one before.
        c3: inner width.
        embed: width of the embeddings.
    """

    def __init__(self, ch: Sequence[int], c3: int, embed: int) -> None:
        super().__init__()
        self.cv1 = nn.ModuleList(
            nn.Sequential(Conv(c, c3, 3), Conv(c3, c3, 3), _enlarge(level))
            for level, c in enumerate(ch)
        )
        self.cv2 = nn.ModuleList(
            nn.Sequential(Conv(c, c3, 1), _enlarge(level)) for level, c in enumerate(ch)
        )
        self.c = 16  # groups of channels, each with its own weights
        self.cv3 = nn.Conv2d(3 * c3, embed, 1)
        self.cv4 = nn.Conv2d(3 * c3, self.c, 3, padding=1)
        self.cv5 = nn.Conv2d(1, self.c, 3, padding=1)
        self.cv6 = nn.Sequential(
            Conv(2 * self.c, self.c, 3), nn.Conv2d(self.c, self.c, 3, padding=1)
        )

    def forward(self, x: Sequence[Tensor], vp: Tensor) -> Tensor:
        """Unit-length embeddings (B, K, embed).

        Args:
            x: the maps.
            vp: (B, K, H, W) masks at the size of the first map; an empty mask averages over everything.
        """
        content = self.cv3(torch.cat([part(m) for part, m in zip(self.cv1, x, strict=True)], 1))
        context = self.cv4(torch.cat([part(m) for part, m in zip(self.cv2, x, strict=True)], 1))
        batch, prompts, height, width = vp.shape
        masks = vp.reshape(batch * prompts, 1, height, width)
        context = context.repeat_interleave(prompts, dim=0)
        weight = self.cv6(torch.cat((context, self.cv5(masks)), dim=1))
        weight = (weight * masks).masked_fill(masks == 0, torch.finfo(weight.dtype).min)
        weight = weight.view(batch, prompts, self.c, -1).softmax(dim=-1).transpose(1, 2)
        values = content.view(batch, self.c, -1, height * width)
        pooled = weight.to(values.dtype) @ values.transpose(2, 3)  # (B, c, K, embed / c)
        return F.normalize(pooled.transpose(1, 2).reshape(batch, prompts, -1), dim=-1, p=2)


def _enlarge(level: int) -> nn.Module:
    """To the size of the first map."""
    return nn.Upsample(scale_factor=2 * level) if level in (1, 2) else nn.Identity()
