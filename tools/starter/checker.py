"""Automatic attribute checker: reads colour, background, shape and motion off the frames of a clip.

It knows the drawing rules but not the caption. Its own ceiling, on true clips and on VAE reconstructions, is
measured by the `ceiling` command.
"""

import math
from dataclasses import dataclass
from statistics import fmean

import torch

from . import data

ATTRIBUTES = ("color", "background", "shape", "motion")
UNKNOWN = "?"


@dataclass(frozen=True)
class Reading:
    """What the checker saw in one clip."""

    color: str
    background: str
    shape: str
    motion: str
    shift_x: float = 0.0  # pixels from the first frames to the last
    shift_y: float = 0.0
    growth: float = 1.0  # area of the last frames over area of the first
    overlaps: tuple = ()  # intersection over union with each candidate shape

    def matches(self, spec):
        """{attribute: right?} against a specification."""
        return {name: getattr(self, name) == getattr(spec, name) for name in ATTRIBUTES}


def _centroid(mask):
    area = mask.sum().item()
    if area < 1e-3:
        return 32.0, 32.0, 0.0
    return (mask * data.PIXEL_X).sum().item() / area, (mask * data.PIXEL_Y).sum().item() / area, area


def _reference(shape, radius=20.0):
    """Area and centroid offset of a shape of radius one (a triangle's centroid is not its centre)."""
    mask = data.coverage(shape, torch.tensor([[32.0, 32.0, radius, 0.0]]))[0]
    x, y, area = _centroid(mask)
    return area / radius**2, (x - 32) / radius, (y - 32) / radius


_REFERENCES = {shape: _reference(shape) for shape in data.SHAPES}
_SYMMETRY_DEGREES = {"circle": (0,), "square": range(0, 90, 10), "triangle": range(0, 120, 12), "star": range(0, 72, 9)}


def _nearest(table, color):
    return min(table, key=lambda name: ((data.rgb(table, name) + 1) / 2 - color).norm().item())


def _classify_motion(tracks, opacity):
    xs, ys, areas = zip(*tracks)
    shift_x, shift_y = fmean(xs[-2:]) - fmean(xs[:2]), fmean(ys[-2:]) - fmean(ys[:2])
    growth = fmean(areas[-2:]) / max(fmean(areas[:2]), 1.0)
    change = (opacity[1:] - opacity[:-1]).abs().sum((1, 2)) / torch.tensor(areas[:-1]).clamp(min=1)
    if growth > 2:
        motion = "growing"
    elif growth < 0.5:
        motion = "shrinking"
    elif max(abs(shift_x), abs(shift_y)) > 10:
        if abs(shift_x) > abs(shift_y):
            motion = "right" if shift_x > 0 else "left"
        else:
            motion = "down" if shift_y > 0 else "up"
    elif max(ys) - min(ys) > 12:
        motion = "bouncing"
    elif change.mean() > 0.06:
        motion = "spinning"
    else:
        motion = "still"
    return motion, shift_x, shift_y, growth


def _overlap(shape, opacity, track, degrees):
    """Best intersection over union of the shape, at the object's own area and centroid, over some angles."""
    x, y, area = track
    unit_area, offset_x, offset_y = _REFERENCES[shape]
    radius = math.sqrt(max(area, 4.0) / unit_area)
    best = 0.0
    for angle in map(math.radians, degrees):
        turned_x = offset_x * math.cos(angle) - offset_y * math.sin(angle)
        turned_y = offset_x * math.sin(angle) + offset_y * math.cos(angle)
        pose = torch.tensor([[x - turned_x * radius, y - turned_y * radius, radius, angle]])
        mask = data.coverage(shape, pose)[0]
        overlap = torch.minimum(mask, opacity).sum() / torch.maximum(mask, opacity).sum()
        best = max(best, overlap.item())
    return best


def read_clip(frames):
    """Read a clip `(frames, 3, 64, 64)` with values in [0, 1]."""
    frames = frames.float()
    pixels = frames.permute(0, 2, 3, 1)
    rim = torch.cat([pixels[:, :3], pixels[:, -3:]], 1).reshape(-1, 3)
    rim = torch.cat([rim, torch.cat([pixels[:, :, :3], pixels[:, :, -3:]], 2).reshape(-1, 3)])
    paper = rim.median(0).values
    background = _nearest(data.BACKGROUNDS, paper)
    distance = (pixels - paper).norm(dim=-1)
    strong = torch.quantile(distance.flatten(1), 0.985, dim=1).median().clamp(min=0.15)
    core = distance > 0.7 * strong
    if core.sum() < 40:
        return Reading(UNKNOWN, background, UNKNOWN, UNKNOWN)
    color = _nearest(data.COLORS, pixels[core].median(0).values)
    opacity = (distance / strong).clamp(0, 1)
    opacity = torch.where(opacity < 0.35, torch.zeros(()), opacity)
    tracks = [_centroid(mask) for mask in opacity]
    motion, shift_x, shift_y, growth = _classify_motion(tracks, opacity)
    last = len(tracks) - 1
    # Shapes are judged on the frames that show them largest and away from the first and last.
    judged = {"growing": (last, last - 2, last - 4), "shrinking": (0, 2, 4), "still": (0,)}
    judged = judged.get(motion, (1, len(tracks) // 2, last - 1))
    overlaps = []
    for shape in data.SHAPES:
        degrees = _SYMMETRY_DEGREES[shape] if motion == "spinning" else (0,)
        overlaps.append(sum(_overlap(shape, opacity[f], tracks[f], degrees) for f in judged) / len(judged))
    best = data.SHAPES[max(range(len(overlaps)), key=overlaps.__getitem__)]
    return Reading(color, background, best, motion, shift_x, shift_y, growth, tuple(round(v, 2) for v in overlaps))


def accuracy(matches):
    """Mean of each attribute over a list of `Reading.matches`, and of all four at once."""
    count = len(matches)
    result = {name: sum(row[name] for row in matches) / count for name in ATTRIBUTES}
    result["all"] = sum(all(row.values()) for row in matches) / count
    return result
