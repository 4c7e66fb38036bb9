"""Clips of moving shapes, drawn from signed distance functions, and the captions that describe them.

A clip is fully described by a `ClipSpec` (what the caption says) and a trajectory (what the
caption leaves open: start, size, speed). Frames are `(frames, 3, 64, 64)` in [-1, 1].
"""

import itertools
import math
import random
from dataclasses import dataclass, replace

import torch

FRAMES = 16
SIZE = 64

COLORS = {
    "red": (225, 35, 35),
    "green": (30, 185, 55),
    "blue": (55, 105, 245),
    "yellow": (245, 220, 40),
    "purple": (165, 60, 215),
    "orange": (250, 135, 20),
}
BACKGROUNDS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (120, 120, 120),
    "navy": (12, 22, 70),
}
SHAPES = ("circle", "square", "triangle", "star")
DIRECTED_MOTIONS = ("right", "left", "up", "down", "growing", "shrinking")
MOTIONS = DIRECTED_MOTIONS + ("spinning", "bouncing", "still")

# The first phrase of each entry is the canonical one.
MOTION_PHRASES = {
    "right": ("moving right", "moving to the right", "sliding right", "going right"),
    "left": ("moving left", "moving to the left", "sliding left", "going left"),
    "up": ("moving up", "moving upwards", "rising", "going up"),
    "down": ("moving down", "moving downwards", "falling", "going down"),
    "growing": ("growing", "getting bigger", "growing larger"),
    "shrinking": ("shrinking", "getting smaller", "shrinking away"),
    "spinning": ("spinning", "rotating", "turning"),
    "bouncing": ("bouncing", "bouncing up and down", "jumping"),
    "still": ("standing still", "not moving", ""),
}
SHAPE_WORDS = {
    "circle": ("circle", "ball", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
}
# Motions that turn into one another when the frames are played backwards: exact free data.
TIME_REVERSED = {
    "right": "left",
    "left": "right",
    "up": "down",
    "down": "up",
    "growing": "shrinking",
    "shrinking": "growing",
    "spinning": None,
    "bouncing": "bouncing",
    "still": "still",
}


@dataclass(frozen=True)
class ClipSpec:
    """What the caption of a clip says."""

    color: str
    shape: str
    motion: str
    background: str

    def is_possible(self):
        """A spinning circle looks like a still one, so it is never drawn."""
        return not (self.motion == "spinning" and self.shape == "circle")

    def is_held_out(self):
        """One in twelve (colour, shape, motion) combinations is kept out of training."""
        color = list(COLORS).index(self.color)
        return (color + 2 * SHAPES.index(self.shape) + 5 * MOTIONS.index(self.motion)) % 12 == 7

    def with_motion(self, motion):
        """The same object in another motion."""
        return replace(self, motion=motion)


def all_specs(motions=MOTIONS):
    """Every possible specification with one of the given motions."""
    combinations = itertools.product(COLORS, SHAPES, motions, BACKGROUNDS)
    return [spec for spec in itertools.starmap(ClipSpec, combinations) if spec.is_possible()]


def caption(spec, rng, canonical=True):
    """A caption; an unstated background means black. Not canonical: synonyms and loose forms."""
    shape, motion, background = spec.shape, MOTION_PHRASES[spec.motion][0], spec.background
    if not canonical:
        shape = rng.choice(SHAPE_WORDS[spec.shape])
        motion = rng.choice(MOTION_PHRASES[spec.motion])
        if background == "grey" and rng.random() < 0.3:
            background = "gray"
        if motion and rng.random() < 0.15:
            motion = "is " + motion
    place = f"on a {background} background"
    if spec.background == "black" and rng.random() < 0.5:
        place = ""
    article = "an" if spec.color == "orange" else "a"
    if not canonical:
        form = rng.random()
        if form < 0.15:
            article = f"a video of {article}"
        elif form < 0.3:
            article = ""
    return " ".join(word for word in (article, spec.color, shape, motion, place) if word)


def caption_words():
    """Every word a caption can hold, with a few spare ones, for the tokenizer."""
    words = "a an the video of clip showing with on in background is and to it big small large gray".split()
    words += [*COLORS, *BACKGROUNDS, *SHAPES]
    for phrases in (*SHAPE_WORDS.values(), *MOTION_PHRASES.values()):
        words += " ".join(phrases).split()
    return list(dict.fromkeys(words))


def trajectory(spec, rng, frames=FRAMES):
    """Centre x, centre y, radius (pixels) and angle (radians) for each frame: `(frames, 4)`."""
    radius = rng.uniform(9.5, 12.5)
    center_x, center_y = 32 + rng.uniform(-7, 7), 32 + rng.uniform(-7, 7)
    times = [frame / (frames - 1) for frame in range(frames)]
    path = [[center_x, center_y, radius, 0.0] for _ in times]
    if spec.motion in ("right", "left", "up", "down"):
        half_path, offset = rng.uniform(15, 19), rng.uniform(-2, 2)
        sign = 1 if spec.motion in ("right", "down") else -1
        axis = 0 if spec.motion in ("right", "left") else 1
        for pose, time in zip(path, times):
            pose[axis] = 32 + offset + sign * half_path * (2 * time - 1)
    elif spec.motion in ("growing", "shrinking"):
        first, last = rng.uniform(4.5, 6), rng.uniform(17, 20)
        if spec.motion == "shrinking":
            first, last = last, first
        for pose, time in zip(path, times):
            pose[:3] = [32 + (center_x - 32) / 2, 32 + (center_y - 32) / 2, first + (last - first) * time]
    elif spec.motion == "spinning":
        angle = math.radians(rng.uniform(140, 190))
        for pose, time in zip(path, times):
            pose[2:] = [radius + 3, angle * time]
    elif spec.motion == "bouncing":
        top, bottom = rng.uniform(13, 17), rng.uniform(46, 50)
        for pose, time in zip(path, times):
            pose[1] = bottom - (bottom - top) * abs(math.sin(2 * math.pi * time))
    return torch.tensor(path)


def _regular_vertices(angles_and_radii):
    return torch.tensor(
        [(r * math.cos(math.radians(a)), r * math.sin(math.radians(a))) for a, r in angles_and_radii]
    )


_VERTICES = {
    "triangle": _regular_vertices([(-90 + 120 * k, 1.2) for k in range(3)]),
    "star": _regular_vertices([(-90 + 36 * k, 0.56 if k % 2 else 1.25) for k in range(10)]),
}


def _polygon_distance(x, y, vertices):
    """Signed distance to a polygon (negative inside), by edges and crossing parity."""
    squared = torch.full_like(x, 1e9)
    sign = torch.ones_like(x)
    for (vx, vy), (px, py) in zip(vertices.tolist(), vertices.roll(1, 0).tolist()):
        edge_x, edge_y, from_x, from_y = px - vx, py - vy, x - vx, y - vy
        along = ((from_x * edge_x + from_y * edge_y) / (edge_x**2 + edge_y**2)).clamp(0, 1)
        squared = torch.minimum(squared, (from_x - edge_x * along) ** 2 + (from_y - edge_y * along) ** 2)
        above, below, left = y >= vy, y < py, edge_x * from_y > edge_y * from_x
        crosses = (above & below & left) | (~above & ~below & ~left)
        sign = torch.where(crosses, -sign, sign)
    return sign * squared.sqrt()


def signed_distance(shape, x, y):
    """Signed distance to the unit shape, in units of its radius."""
    if shape == "circle":
        return (x * x + y * y).sqrt() - 1
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - 0.88
    return _polygon_distance(x, y, _VERTICES[shape])


PIXEL_Y, PIXEL_X = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")


def coverage(shape, poses):
    """Anti-aliased mask in [0, 1] of one shape for poses `(frames, 4)`: `(frames, 64, 64)`."""
    x, y, radius, angle = (poses[:, k, None, None] for k in range(4))
    dx, dy = PIXEL_X - x, PIXEL_Y - y
    local_x = (dx * angle.cos() + dy * angle.sin()) / radius
    local_y = (-dx * angle.sin() + dy * angle.cos()) / radius
    return (0.5 - signed_distance(shape, local_x, local_y) * radius).clamp(0, 1)


def rgb(table, name):
    """Colour of a table entry in [-1, 1]: `(3,)`."""
    return torch.tensor(table[name]) / 127.5 - 1


def render(spec, poses):
    """Frames for poses `(frames, 4)`: `(frames, 3, 64, 64)` in [-1, 1]."""
    mask = coverage(spec.shape, poses)[:, None]
    ink, paper = (rgb(t, n)[:, None, None] for t, n in ((COLORS, spec.color), (BACKGROUNDS, spec.background)))
    return mask * ink + (1 - mask) * paper


def random_spec(rng, motions=MOTIONS):
    """A specification drawn evenly from the possible ones."""
    while True:
        names = (rng.choice(list(table)) for table in (COLORS, SHAPES, motions, BACKGROUNDS))
        spec = ClipSpec(*names)
        if spec.is_possible():
            return spec


def random_frames(count, rng):
    """Single frames of random clips: `(count, 3, 64, 64)`, and their poses `(count, 4)`."""
    frames, poses = [], []
    for _ in range(count):
        spec = random_spec(rng)
        pose = trajectory(spec, rng)[rng.randrange(FRAMES)][None]
        frames.append(render(spec, pose))
        poses.append(pose)
    return torch.cat(frames), torch.cat(poses)
