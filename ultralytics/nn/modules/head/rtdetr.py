"""RT-DETR: a transformer decoder that turns the best image positions into boxes without suppression.

Shapes: B images, N tokens of all levels (finest first, row-major inside), Q queries, C channels, nc classes. Boxes are
centre, width and height as fractions of the image. Source: arXiv 2304.08069.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.head.denoising import get_cdn_group
from ultralytics.nn.modules.head.ranking import best
from ultralytics.nn.modules.transformer import (
    MLP,
    DeformableTransformerDecoder,
    DeformableTransformerDecoderLayer,
)
from ultralytics.nn.modules.utils import bias_init_with_prob, is_recording

__all__ = ["RTDETRDecoder"]

CACHED = ("anchors", "valid_mask", "shapes", "_grid")
ANCHOR_SIDE = 0.05  # of the finest level, as a fraction of the image; doubles per level
ANCHOR_MARGIN = (
    0.01  # anchors closer to the border of the value range have no finite log-odds worth using
)
REFERENCE_CLASSES = 80  # class count that the initial bias was chosen for

Shapes = list[list[int]]  # height and width of every level
Grid = tuple[Shapes, Tensor, Tensor]  # level sizes, anchors, which of them count


class RTDETRDecoder(nn.Module):
    """Query selection and decoder.

    Returns of `forward`, P = (boxes (layers, B, Q, 4), class logits (layers, B, Q, nc), boxes of the selected
    positions (B, k, 4), their class logits (B, k, nc), facts about denoising queries or None):
        training: P of all layers, with denoising queries in front of the k selected ones;
        otherwise (y, P) with one layer, and only y when `export`. y (B, m, 6) are the best pairs of query and class,
        as rows centre x, centre y, width, height, score, class; best first.

    Args:
        nc: classes.
        ch: channels of each level.
        hd: channels inside.
        nq: queries.
        ndp: sampling points per level.
        nh: heads.
        ndl: decoder layers.
        d_ffn: width of the feed-forward pairs.
        dropout: inside the decoder.
        act: activation of the decoder; ReLU when None.
        eval_idx: decoder layer that answers at inference.
        nd: denoising queries per image.
        label_noise_ratio, box_noise_scale: how noisy they are, see `get_cdn_group`.
        learnt_init_query: start queries from learned vectors in place of image features.
    """

    export = False
    format: str | None = None
    dynamic = False
    max_det = 300
    shapes: Shapes = []
    anchors = torch.empty(0)
    valid_mask = torch.empty(0)
    moved_tensors = ("anchors", "valid_mask")
    _grid: Grid = ([], torch.empty(0), torch.empty(0))

    def __init__(
        self,
        nc: int = 80,
        ch: Sequence[int] = (512, 1024, 2048),
        hd: int = 256,
        nq: int = 300,
        ndp: int = 4,
        nh: int = 8,
        ndl: int = 6,
        d_ffn: int = 1024,
        dropout: float = 0.0,
        act: nn.Module | None = None,
        eval_idx: int = -1,
        nd: int = 100,
        label_noise_ratio: float = 0.5,
        box_noise_scale: float = 1.0,
        learnt_init_query: bool = False,
    ) -> None:
        super().__init__()
        self.hidden_dim = hd
        self.nhead = nh
        self.nl = len(ch)
        self.nc = nc
        self.num_queries = nq
        self.num_decoder_layers = ndl
        self.num_denoising = nd
        self.label_noise_ratio = label_noise_ratio
        self.box_noise_scale = box_noise_scale
        self.learnt_init_query = learnt_init_query
        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, hd, 1, bias=False), nn.BatchNorm2d(hd)) for c in ch
        )
        act = nn.ReLU() if act is None else act
        layer = DeformableTransformerDecoderLayer(hd, nh, d_ffn, dropout, act, self.nl, ndp)
        self.decoder = DeformableTransformerDecoder(hd, layer, ndl, eval_idx)
        self.denoising_class_embed = nn.Embedding(nc, hd)
        if learnt_init_query:
            self.tgt_embed = nn.Embedding(nq, hd)
        self.query_pos_head = MLP(4, 2 * hd, hd, num_layers=2)
        self.enc_output = nn.Sequential(nn.Linear(hd, hd), nn.LayerNorm(hd))
        self.enc_score_head = nn.Linear(hd, nc)
        self.enc_bbox_head = MLP(hd, hd, 4, num_layers=3)
        self.dec_score_head = nn.ModuleList(nn.Linear(hd, nc) for _ in range(ndl))
        self.dec_bbox_head = nn.ModuleList(MLP(hd, hd, 4, num_layers=3) for _ in range(ndl))
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Scores start low, boxes at their references."""
        bias = bias_init_with_prob(0.01) / REFERENCE_CLASSES * self.nc
        for score in (self.enc_score_head, *self.dec_score_head):
            nn.init.constant_(score.bias, bias)
        for box in (self.enc_bbox_head, *self.dec_bbox_head):
            nn.init.zeros_(box.layers[-1].weight)
            nn.init.zeros_(box.layers[-1].bias)
        projections: Any = self.input_proj  # Any: sequences of layers that are indexed
        spread = [self.enc_output[0], *self.query_pos_head.layers, *(p[0] for p in projections)]
        if self.learnt_init_query:
            spread.append(self.tgt_embed)
        for layer in spread:
            nn.init.xavier_uniform_(layer.weight)

    def __getstate__(self) -> dict[str, Any]:  # Any: the instance dictionary
        return {key: value for key, value in self.__dict__.items() if key not in CACHED}

    @property
    def class_layers(self) -> list[str]:
        """Names of layers whose outputs, or inputs, are the classes."""
        scores = (f"dec_score_head.{layer}" for layer in range(self.num_decoder_layers))
        return ["denoising_class_embed", "enc_score_head", *scores]

    # forward

    def forward(
        self, x: Sequence[Tensor], batch: Mapping[str, Any] | None = None
    ) -> Any:  # Any: see the class
        """Decode the maps of all levels.

        Args:
            x: maps, finest first.
            batch: labels for denoising queries in training, see `get_cdn_group`.
        """
        feats, shapes = self._get_encoder_input(x)
        queries = min(self.num_queries, feats.shape[1])
        noisy, places, mask, meta = get_cdn_group(
            batch,
            self.nc,
            queries,
            self.denoising_class_embed.weight,
            self.num_denoising,
            self.label_noise_ratio,
            self.box_noise_scale,
            self.training,
        )
        embed, refer, enc_boxes, enc_scores = self._get_decoder_input(feats, shapes, queries)
        if noisy is not None and places is not None:
            embed = torch.cat((noisy.to(embed.dtype), embed), dim=1)
            refer = torch.cat((places.to(refer.dtype), refer), dim=1)
        boxes, scores = self.decoder(
            embed,
            refer,
            feats,
            shapes,
            self.dec_bbox_head,
            self.dec_score_head,
            self.query_pos_head,
            attn_mask=mask,
        )
        if self.training and noisy is None:
            # every weight takes part in every step, which distributed training relies on
            boxes = boxes + 0 * self.denoising_class_embed.weight.sum()
        raw = boxes, scores, enc_boxes, enc_scores, meta
        if self.training:
            return raw
        y = self.postprocess(boxes[-1], scores[-1].sigmoid())
        return y if self.export else (y, raw)

    def _get_encoder_input(self, x: Sequence[Tensor]) -> tuple[Tensor, Shapes]:
        """Tokens (B, N, C) of all levels, and the levels' sizes."""
        maps = [project(level) for project, level in zip(self.input_proj, x, strict=True)]
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)
        return tokens, [[level.shape[2], level.shape[3]] for level in maps]

    def _get_decoder_input(
        self, feats: Tensor, shapes: Shapes, queries: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, log-odds of their references, and boxes and class logits of the selected positions."""
        anchors, valid = self._anchor_grid(feats, shapes)
        features = self.enc_output(valid * feats)
        logits = self.enc_score_head(features)
        picked = best(logits.amax(-1), queries, exact=not self.export)[1].unsqueeze(-1)
        embed = features.gather(1, picked.expand(-1, -1, features.shape[-1]))
        scores = logits.gather(1, picked.expand(-1, -1, logits.shape[-1]))
        start = anchors.expand(feats.shape[0], -1, -1).gather(1, picked.expand(-1, -1, 4))
        refer = self.enc_bbox_head(embed) + start
        boxes = refer.sigmoid()
        if self.learnt_init_query:
            learned = self.tgt_embed.weight[:queries].expand(feats.shape[0], -1, -1)
            return learned, refer.detach() if self.training else refer, boxes, scores
        if self.training:
            return embed.detach(), refer.detach(), boxes, scores
        return embed, refer, boxes, scores

    def _anchor_grid(self, feats: Tensor, shapes: Shapes) -> tuple[Tensor, Tensor]:
        """Anchors (1, N, 4) and which count (1, N, 1). Kept between calls while sizes, type and device stay."""
        if self.dynamic:
            return self._generate_anchors(shapes, dtype=feats.dtype, device=feats.device)
        known, anchors, valid = self._grid
        usable = (
            known == shapes
            and (anchors.dtype, anchors.device) == (feats.dtype, feats.device)
            and (torch.is_inference_mode_enabled() or not anchors.is_inference())
        )
        if not usable:
            anchors, valid = self._generate_anchors(shapes, dtype=feats.dtype, device=feats.device)
            if not is_recording():
                self._grid = (shapes, anchors, valid)
                self.anchors, self.valid_mask, self.shapes = anchors, valid, shapes
        return anchors, valid

    def _generate_anchors(
        self,
        shapes: Shapes,
        grid_size: float = ANCHOR_SIDE,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        eps: float = ANCHOR_MARGIN,
    ) -> tuple[Tensor, Tensor]:
        """Log-odds of one box per position, infinite where a number is within `eps` of 0 or 1; and which are not."""
        levels = []
        for level, (height, width) in enumerate(shapes):
            y = (torch.arange(height, dtype=dtype, device=device) + 0.5) / height
            x = (torch.arange(width, dtype=dtype, device=device) + 0.5) / width
            rows, columns = torch.meshgrid(y, x, indexing="ij")
            sides = torch.full_like(rows, grid_size * 2.0**level)
            levels.append(torch.stack((columns, rows, sides, sides), dim=-1).view(1, -1, 4))
        anchors = torch.cat(levels, dim=1)
        valid = ((anchors > eps) & (anchors < 1 - eps)).all(-1, keepdim=True)
        return (anchors / (1 - anchors)).log().masked_fill(~valid, float("inf")), valid

    def postprocess(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """The best pairs of query and class, as rows of y; equal scores keep the lower query, then the lower class.

        Args:
            boxes: (B, Q, 4).
            scores: (B, Q, nc) in [0, 1].
        """
        wanted = min(self.num_queries, self.max_det) if self.export else self.num_queries
        classes = scores.shape[-1]
        flat = scores.flatten(1)
        values, entries = best(flat, min(wanted, flat.shape[1]), exact=not self.export)
        rows = entries.div(classes, rounding_mode="floor").unsqueeze(-1)
        labels = entries.remainder(classes).unsqueeze(-1).to(values.dtype)
        return torch.cat(
            (boxes.gather(1, rows.expand(-1, -1, 4)), values.unsqueeze(-1), labels), -1
        )
