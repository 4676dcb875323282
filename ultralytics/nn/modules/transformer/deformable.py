"""Attention that looks at a few learned points per level, and the decoder built from it (arXiv 2010.04159).

Shapes: B images, Q queries, N tokens of all levels (finest first, row-major inside), L levels, P points per level,
M heads, C channels. Boxes are centre, width and height as fractions of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.utils import inverse_sigmoid

__all__ = ["DeformableTransformerDecoder", "DeformableTransformerDecoderLayer", "MSDeformAttn"]

Shapes = Sequence[Sequence[int]]  # height and width of every level


class MSDeformAttn(nn.Module):
    """Multi-scale deformable attention.

    Raises:
        ValueError: `d_model` is no multiple of `n_heads`.
    """

    def __init__(
        self, d_model: int = 256, n_levels: int = 4, n_heads: int = 8, n_points: int = 4
    ) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"d_model must be a multiple of n_heads, got {d_model} and {n_heads}")
        self.im2col_step = 64  # stored in files of the format, not used
        self.d_model = d_model
        self.n_levels = n_levels
        self.n_heads = n_heads
        self.n_points = n_points
        samples = n_heads * n_levels * n_points
        self.sampling_offsets = nn.Linear(d_model, samples * 2)
        self.attention_weights = nn.Linear(d_model, samples)
        self.value_proj = nn.Linear(d_model, d_model)
        self.output_proj = nn.Linear(d_model, d_model)
        self._reset_parameters()

    @torch.no_grad()
    def _reset_parameters(self) -> None:
        """Heads look in different directions, points at growing distances, all with equal weight."""
        angles = torch.arange(self.n_heads, dtype=torch.float32) * (2.0 * math.pi / self.n_heads)
        directions = torch.stack((angles.cos(), angles.sin()), dim=1)
        directions = directions / directions.abs().max(dim=1, keepdim=True).values
        distances = torch.arange(1, self.n_points + 1, dtype=torch.float32)
        grid = directions[:, None, None] * distances[None, None, :, None]
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.copy_(grid.expand(-1, self.n_levels, -1, -1).flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        query: Tensor,
        refer_bbox: Tensor,
        value: Tensor,
        value_shapes: Shapes,
        value_mask: Tensor | None = None,
    ) -> Tensor:
        """Attended values (B, Q, C).

        Args:
            query: (B, Q, C).
            refer_bbox: (B, Q, L or 1, 4) boxes the points are placed in, or (..., 2) points they are placed around.
            value: (B, N, C) tokens.
            value_shapes: (height, width) of every level.
            value_mask: (B, N), true where a token counts as zero.
        """
        batch, queries = query.shape[:2]
        heads, levels, points = self.n_heads, self.n_levels, self.n_points
        tokens = self._project(value, value_mask)
        places = self._places(query, refer_bbox, value_shapes)  # (B, Q, M, L, P, 2)
        weights = self.attention_weights(query).view(batch, queries, heads, levels * points)
        weights = weights.softmax(-1).permute(0, 2, 1, 3).reshape(batch * heads, 1, queries, -1)
        grids = (2 * places - 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)  # (BM, L, Q, P, 2)
        sizes = [height * width for height, width in value_shapes]
        parts = zip(tokens.split(sizes, dim=1), value_shapes, strict=True)
        samples = [
            F.grid_sample(
                flat.transpose(1, 2).unflatten(2, (height, width)),  # channels stay side by side
                grids[:, level],
                mode="bilinear",
                padding_mode="zeros",
                align_corners=False,
            )
            for level, (flat, (height, width)) in enumerate(parts)
        ]
        mixed = (torch.cat(samples, dim=-1) * weights).sum(-1)  # (BM, C / M, Q)
        return self.output_proj(mixed.view(batch, self.d_model, queries).transpose(1, 2))

    def _project(self, value: Tensor, mask: Tensor | None) -> Tensor:
        """Projected tokens by head: (BM, N, C / M)."""
        projected = self.value_proj(value)
        if mask is not None:
            projected = projected.masked_fill(mask[..., None], 0.0)
        return projected.unflatten(2, (self.n_heads, -1)).transpose(1, 2).flatten(0, 1)

    def _places(self, query: Tensor, refer: Tensor, shapes: Shapes) -> Tensor:
        """Where to look, as fractions of each level: (B, Q, M, L, P, 2)."""
        batch, queries = query.shape[:2]
        offsets = self.sampling_offsets(query).view(
            batch, queries, self.n_heads, self.n_levels, self.n_points, 2
        )
        centres = refer[:, :, None, :, None, :2]
        if refer.shape[-1] == 4:
            half_sizes = refer[:, :, None, :, None, 2:] * 0.5
            return centres + offsets / self.n_points * half_sizes
        if refer.shape[-1] == 2:
            sizes = torch.tensor(
                [[width, height] for height, width in shapes],
                dtype=query.dtype,
                device=query.device,
            )
            return centres + offsets / sizes[:, None, :]
        raise ValueError(f"references must have 2 or 4 coordinates, got {refer.shape[-1]}")


class DeformableTransformerDecoderLayer(nn.Module):
    """Attention between queries, then to the feature maps, then a feed-forward pair; normalised after each."""

    def __init__(
        self,
        d_model: int = 256,
        n_heads: int = 8,
        d_ffn: int = 1024,
        dropout: float = 0.0,
        act: nn.Module | None = None,
        n_levels: int = 4,
        n_points: int = 4,
    ) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d_model, n_heads, dropout=dropout)
        self.dropout1 = nn.Dropout(dropout)
        self.norm1 = nn.LayerNorm(d_model)
        self.cross_attn = MSDeformAttn(d_model, n_levels, n_heads, n_points)
        self.dropout2 = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(d_model)
        self.linear1 = nn.Linear(d_model, d_ffn)
        self.act = nn.ReLU() if act is None else act
        self.dropout3 = nn.Dropout(dropout)
        self.linear2 = nn.Linear(d_ffn, d_model)
        self.dropout4 = nn.Dropout(dropout)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(
        self,
        embed: Tensor,
        refer_bbox: Tensor,
        feats: Tensor,
        shapes: Shapes,
        padding_mask: Tensor | None = None,
        attn_mask: Tensor | None = None,
        query_pos: Tensor | None = None,
    ) -> Tensor:
        """Queries (B, Q, C) after the layer.

        Args:
            embed: (B, Q, C) queries.
            refer_bbox: (B, Q, 4) reference boxes.
            feats: (B, N, C) tokens.
            shapes: (height, width) of every level.
            padding_mask: (B, N), true where a token counts as zero.
            attn_mask: (Q, Q), true where a query may not see another.
            query_pos: (B, Q, C), added to queries and keys but not to values.
        """
        placed = embed if query_pos is None else embed + query_pos
        # queries first, as the attention layer of stored models expects
        keys = placed.transpose(0, 1)
        seen = self.self_attn(
            keys, keys, embed.transpose(0, 1), attn_mask=attn_mask, need_weights=False
        )[0].transpose(0, 1)
        embed = self.norm1(embed + self.dropout1(seen))
        placed = embed if query_pos is None else embed + query_pos
        found = self.cross_attn(placed, refer_bbox.unsqueeze(2), feats, shapes, padding_mask)
        embed = self.norm2(embed + self.dropout2(found))
        wide = self.dropout3(self.act(self.linear1(embed)))
        return self.norm3(embed + self.dropout4(self.linear2(wide)))


class DeformableTransformerDecoder(nn.Module):
    """Layers that refine reference boxes one after the other."""

    def __init__(
        self, hidden_dim: int, decoder_layer: nn.Module, num_layers: int, eval_idx: int = -1
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(deepcopy(decoder_layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.hidden_dim = hidden_dim
        self.eval_idx = eval_idx if eval_idx >= 0 else num_layers + eval_idx

    def forward(
        self,
        embed: Tensor,
        refer_bbox: Tensor,
        feats: Tensor,
        shapes: Shapes,
        bbox_head: nn.ModuleList,
        score_head: nn.ModuleList,
        pos_mlp: nn.Module,
        attn_mask: Tensor | None = None,
        padding_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Boxes (layers, B, Q, 4) in [0, 1] and class logits (layers, B, Q, nc).

        In training every layer answers, and the box of a layer also carries gradients to the box head of the layer
        before it; otherwise only layer `eval_idx` answers.

        Args:
            embed: (B, Q, C) queries.
            refer_bbox: (B, Q, 4) log-odds of the first reference boxes.
            feats: (B, N, C) tokens.
            shapes: (height, width) of every level.
            bbox_head, score_head: one head per layer.
            pos_mlp: position code of a reference box.
            attn_mask: (Q, Q), true where a query may not see another.
            padding_mask: (B, N), true where a token counts as zero.
        """
        boxes: list[Tensor] = []
        scores: list[Tensor] = []
        reference = refer_bbox.sigmoid()
        previous = reference  # not detached
        for index, layer in enumerate(self.layers):
            embed = layer(
                embed, reference, feats, shapes, padding_mask, attn_mask, pos_mlp(reference)
            )
            delta = bbox_head[index](embed)
            refined = torch.sigmoid(delta + inverse_sigmoid(reference))
            if self.training:
                linked = refined if index == 0 else torch.sigmoid(delta + inverse_sigmoid(previous))
                boxes.append(linked)
                scores.append(score_head[index](embed))
            elif index == self.eval_idx:
                boxes.append(refined)
                scores.append(score_head[index](embed))
                break
            previous = refined
            reference = refined.detach() if self.training else refined
        return torch.stack(boxes), torch.stack(scores)
