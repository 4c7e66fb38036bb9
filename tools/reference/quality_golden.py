"""Golden data for the engine's quality scores, from the PyPI packages that define them.

    python quality_golden.py golden              # all committed files, engine/tests/golden/quality
    python quality_golden.py starter             # only what depends on assets/models/starter-clip
    python quality_golden.py clip-b32 DIR        # a ViT-B/32-shaped random CLIP with expected features (600 MB)
    python quality_golden.py lpips-full DIR      # random AlexNet + the lpips package's own heads, with distances
    python quality_golden.py convert-lpips ALEXNET.pth DIR   # standard weights to the engine's LPIPS folder
    python quality_golden.py calibrate           # measures assets/models/starter-clip on drawn clips and writes
                                                 # its score_calibration.json; run it, then `starter`, for new weights

The folders of `clip-b32` and `lpips-full` are checked by
`INFERNET_QUALITY_GOLDEN=DIR cargo nextest run -p infernet-engine --run-ignored only quality`.

Needs numpy, pillow, torch, torchvision, transformers, safetensors, lpips, opencv-python-headless.
"""

import argparse
import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "engine" / "tests" / "golden" / "quality"
STARTER_CLIP = REPOSITORY / "assets" / "models" / "starter-clip"
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")

PROMPTS = [
    "",
    " ",
    "a red circle moving right on a black background",
    "A RED Circle,  moving\tright\n on a Black background!",
    "the star's spinning; we'll see, they've gone, I'd say it's 'tis",
    "naïve café ÅNGSTRÖM straße Straße ǅ İstanbul",
    "cafe\u0301 vs caf\u00e9 and \ufb01sh",
    "日本語のテキスト 和 한국어 текст",
    "emoji 🎬🔥 👩‍👩‍👧 flags 🇫🇷",
    "12345 3.14159 1e-5 2nd x2 ²",
    "a<|endoftext|>b <|startoftext|> c",
    "a <|ENDOFTEXT|> b",
    "!!!??...---___///\\\\",
    "\u00a0non\u2003breaking\u200bspaces\u3000here",
    "tabs\t\tand\r\nlines",
    "word " * 100,
    "unbrokenword" * 40,
    "bouncing" + "'s" * 40,
    "\u0000control\u0007characters\u007f",
]


def uniform(seed, count):
    """`count` numbers in [-1, 1) that the Rust tests make too: splitmix64 of seed + index."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.arange(count, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def picture(seed, width, height):
    """A frame with soft shapes, hard edges and grain, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.zeros((height, width, 3))
    for _ in range(4):
        fx, fy, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6.28)
        image += np.sin(fx * x + fy * y + phase)[..., None] * rng.uniform(10, 40, 3)
    disc = (x - rng.uniform(0, width)) ** 2 + (y - rng.uniform(0, height)) ** 2 < (min(width, height) / 3) ** 2
    image[disc] += rng.uniform(-120, 120, 3)
    return np.clip(image + 128 + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


# --- CLIP ---------------------------------------------------------------------------------------

CLIP_FRAMES = [(64, 64), (56, 40), (9, 17), (31, 24), (120, 50)]

# Text and image towers, preprocessing, and whether tokenizer.json alone is saved.
CLIP_CONFIGS = {
    "clip_quick_gelu": dict(
        text=dict(hidden_size=24, intermediate_size=56, num_hidden_layers=2, num_attention_heads=3),
        vision=dict(hidden_size=24, intermediate_size=32, num_hidden_layers=3, num_attention_heads=4, image_size=24, patch_size=8),
        projection=20,
        preprocessor=dict(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}),
        tokenizer_json=False,
    ),
    # Gelu, eps, patches that leave a strip, image mean of one half, old end-token setting.
    "clip_gelu_legacy": dict(
        text=dict(hidden_size=16, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, hidden_act="gelu",
                  layer_norm_eps=1e-3, eos_token_id=2, max_position_embeddings=32),
        vision=dict(hidden_size=24, intermediate_size=64, num_hidden_layers=2, num_attention_heads=6, image_size=30, patch_size=7,
                    hidden_act="gelu", layer_norm_eps=1e-4),
        projection=12,
        preprocessor=dict(size={"shortest_edge": 36}, crop_size={"height": 30, "width": 30}, image_mean=[0.5, 0.4, 0.3],
                          image_std=[0.5, 0.25, 0.2]),
        tokenizer_json=True,
    ),
    # The tanh GELU, a bilinear resize to an exact size without a crop. Pillow 13 resizes columns before
    # rows in some cases where the height shrinks more; earlier versions and the engine never do, and
    # none of the frames is such a case at this size.
    "clip_gelu_new": dict(
        text=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, hidden_act="gelu_new"),
        vision=dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=20, patch_size=4,
                    hidden_act="gelu_new"),
        projection=16,
        preprocessor=dict(size={"height": 20, "width": 20}, do_center_crop=False, resample=2),
        tokenizer_json=False,
    ),
}


def make_frames(folder):
    from safetensors.numpy import save_file

    frames = {f"frame_{index}": picture(index, *size) for index, size in enumerate(CLIP_FRAMES)}
    save_file(frames, folder / "frames.safetensors")


def expected_of_clip(model, folder, tokenizer, crops=True):
    """Writes expected.json and expected.safetensors beside a saved CLIP, for the frames of `make_frames`."""
    import torch
    from PIL import Image
    from safetensors.numpy import save_file
    from transformers import CLIPImageProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    positions = model.config.text_config.max_position_embeddings
    processor = CLIPImageProcessor.from_pretrained(folder)
    pillow = CLIPImageProcessorPil.from_pretrained(folder)
    tensors, tokens, text = {}, [], []
    with torch.no_grad():
        for prompt in PROMPTS:
            ids = tokenizer(prompt, truncation=True, max_length=positions)["input_ids"]
            tokens.append(ids)
            text.append(model.get_text_features(torch.tensor([ids])).pooler_output[0].numpy())
        for index, (width, height) in enumerate(CLIP_FRAMES):
            frame = picture(index, width, height)
            exact = pillow(Image.fromarray(frame), do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
            if crops:
                tensors[f"crop_{index}"] = np.asarray(exact)[0].astype(np.uint8).transpose(1, 2, 0)
            fast = processor(Image.fromarray(frame), do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"]
            difference = int((fast[0].int() - torch.tensor(np.asarray(exact)[0]).int()).abs().max())
            assert difference <= 2, f"the two image processors differ by {difference} levels"
            pixels = torch.tensor(np.asarray(pillow(Image.fromarray(frame), return_tensors="np")["pixel_values"])).float()
            tensors[f"image_features_{index}"] = model.get_image_features(pixels).pooler_output[0].numpy()
            with_fast = processor(Image.fromarray(frame), return_tensors="pt")["pixel_values"]
            tensors[f"fast_image_features_{index}"] = model.get_image_features(with_fast).pooler_output[0].numpy()
    tensors["text_features"] = np.stack(text)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps({"prompts": PROMPTS, "tokens": tokens}, ensure_ascii=True) + "\n")


def make_clip(folder, spec, half=True):
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(7)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer = CLIPTokenizer.from_pretrained(STARTER_CLIP)
    size = len(tokenizer)
    text = dict(vocab_size=size, bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1) | spec["text"]
    config = CLIPConfig(text_config=text, vision_config=spec["vision"], projection_dim=spec["projection"])
    model = CLIPModel(config).eval()
    with torch.no_grad():
        # Far from the initial values, or blocks would hardly matter; f16 values, so that files are small.
        for name, value in model.named_parameters():
            if value.dim() >= 2 and "embedding" not in name:
                value.normal_(0, 1.2 / math.sqrt(value.shape[-1]))
            elif value.dim() >= 1:
                value.normal_(1 if name.endswith("norm.weight") or "norm1.weight" in name or "norm2.weight" in name else 0, 0.3)
            value.copy_(value.half().float())
    (model.half() if half else model).save_pretrained(folder)
    model.float()
    if spec["tokenizer_json"]:
        tokenizer.save_pretrained(folder)
        for name in TOKENIZER_FILES[:2]:
            (folder / name).unlink(missing_ok=True)
    else:
        for name in TOKENIZER_FILES:
            shutil.copy(STARTER_CLIP / name, folder / name)
    CLIPImageProcessorPil(**spec["preprocessor"]).save_pretrained(folder)
    written = json.loads((folder / "preprocessor_config.json").read_text())
    written["image_processor_type"] = "CLIPImageProcessor"
    (folder / "preprocessor_config.json").write_text(json.dumps(written, indent=2) + "\n")
    expected_of_clip(model, folder, tokenizer)


def make_clip_b32(folder):
    """ViT-B/32's shape, the small vocabulary: the text tower's 49408 embeddings are only a table."""
    make_clip(folder, dict(text={}, vision={}, projection=512, preprocessor={}, tokenizer_json=False), half=False)
    make_frames(folder)


def make_starter():
    """Expected tokens and features of the shipped CLIP; made anew whenever its weights change."""
    from transformers import CLIPModel, CLIPTokenizer

    folder = GOLDEN / "starter_clip"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(STARTER_CLIP, folder)
    model = CLIPModel.from_pretrained(STARTER_CLIP).float().eval()
    expected_of_clip(model, folder, CLIPTokenizer.from_pretrained(STARTER_CLIP), crops=False)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    for path in folder.iterdir():
        if not path.name.startswith("expected."):
            path.unlink()
    expected = json.loads((folder / "expected.json").read_text())
    (folder / "expected.json").write_text(json.dumps({"sha256": digest} | expected) + "\n")


# --- LPIPS --------------------------------------------------------------------------------------

ALEXNET = [(0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3)]
LPIPS_SIZES = [(48, 40), (31, 47), (72, 33)]


def formula_alexnet():
    """Weights that the Rust test makes by the same formula: He-scaled, biases small."""
    tensors = {}
    for place, (index, inputs, outputs, kernel) in enumerate(ALEXNET):
        fan_in = inputs * kernel * kernel
        weight = uniform(100 + place, outputs * fan_in) * np.float32(math.sqrt(6 / fan_in))
        tensors[f"features.{index}.weight"] = weight.reshape(outputs, inputs, kernel, kernel)
        tensors[f"features.{index}.bias"] = uniform(200 + place, outputs) * np.float32(0.1)
    return tensors


def formula_heads():
    return {
        f"lin{place}.model.1.weight": np.abs(uniform(300 + place, outputs)).reshape(1, outputs, 1, 1)
        for place, (_, _, outputs, _) in enumerate(ALEXNET)
    }


def lpips_model(own_heads):
    import lpips
    import torch

    net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    state = net.state_dict()
    # The package splits AlexNet's features into slices but keeps their numbers.
    slices = {0: "slice1", 3: "slice2", 6: "slice3", 8: "slice4", 10: "slice5"}
    for name, value in formula_alexnet().items():
        _, index, kind = name.split(".")
        state[f"net.{slices[int(index)]}.{index}.{kind}"].copy_(torch.tensor(value))
    if not own_heads:
        for name, value in formula_heads().items():
            state[name].copy_(torch.tensor(value))
    net.load_state_dict(state)
    return net


def lpips_expected(own_heads):
    import torch

    net, tensors = lpips_model(own_heads), {}
    for index, (width, height) in enumerate(LPIPS_SIZES):
        frames = np.stack([picture(50 + 3 * index + i, width, height) for i in range(3)])
        # The third differs from the second only a little.
        frames[2] = np.clip(frames[1].astype(int) + np.random.default_rng(index).integers(-3, 4, frames[1].shape), 0, 255)
        signed = torch.tensor(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            distances = net(signed[:-1], signed[1:]).flatten().numpy()
        tensors[f"frames_{index}"], tensors[f"distances_{index}"] = frames, distances
    return tensors


def make_lpips():
    from safetensors.numpy import save_file

    save_file(lpips_expected(own_heads=False), GOLDEN / "lpips.safetensors")


def make_lpips_full(folder):
    """A whole LPIPS folder with the package's trained heads (which stay out of the repository)."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(formula_alexnet(), folder / "alexnet.safetensors")
    save_heads(folder)
    save_file(lpips_expected(own_heads=True), folder / "expected_lpips.safetensors")


def save_heads(folder):
    import inspect

    import lpips
    import torch
    from safetensors.numpy import save_file

    source = Path(inspect.getfile(lpips)).parent / "weights" / "v0.1" / "alex.pth"
    state = torch.load(source, map_location="cpu", weights_only=True)
    save_file({name: value.float().numpy() for name, value in state.items()}, folder / "lpips_alex.safetensors")


def convert_lpips(alexnet, folder):
    import torch
    from safetensors.numpy import save_file

    state = torch.load(alexnet, map_location="cpu", weights_only=True)
    features = {name: value.float().numpy() for name, value in state.items() if name.startswith("features.")}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(features, folder / "alexnet.safetensors")
    save_heads(folder)


# --- Optical flow -------------------------------------------------------------------------------

SIDE = 80

# Pixels at the frame's edge that are not compared.
MARGIN = 4


def texture(seed):
    """A function of continuous coordinates with detail at several scales, 0 to 255."""
    rng = np.random.default_rng(seed)
    waves = []
    for octave in range(5):
        for _ in range(5):
            frequency, angle = 0.06 * 1.75**octave * rng.uniform(0.8, 1.25), rng.uniform(0, 2 * math.pi)
            waves.append((frequency * math.cos(angle), frequency * math.sin(angle), rng.uniform(0, 6.28), 0.75**octave))
    scale = 55 / math.sqrt(sum(w[3] ** 2 for w in waves) / 2)
    return lambda x, y: np.clip(128 + scale * sum(a * np.sin(fx * x + fy * y + p) for fx, fy, p, a in waves), 0, 255)


def affine_pair(seed, matrix, shift, side=SIDE):
    """Two frames of a texture that moves by u(x) = (matrix - 1)(x - centre) + shift."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    centre = (side - 1) / 2
    a, b, c, d = matrix
    pattern = texture(seed)
    first = pattern(x, y)
    determinant = a * d - b * c
    rx, ry = x - centre - shift[0], y - centre - shift[1]
    second = pattern((d * rx - b * ry) / determinant + centre, (-c * rx + a * ry) / determinant + centre)
    return first, second, dict(matrix=matrix, shift=shift, centre=(centre, centre))


def rotation(degrees, zoom=1.0):
    angle = math.radians(degrees)
    return (zoom * math.cos(angle), -zoom * math.sin(angle), zoom * math.sin(angle), zoom * math.cos(angle))


def shape_pair(kind, x0, y0, radius, dx, dy, side=64, foreground=(225, 35, 35), background=(0, 0, 0), turn=0.0, growth=1.0):
    """A flat shape on a flat ground, as the starter model's clips have; ground truth is 0 outside."""

    def coverage(cx, cy, r, angle):
        y, x = np.mgrid[0:side, 0:side].astype(np.float64) + 0.5
        px, py = x - cx, y - cy
        px, py = px * math.cos(angle) + py * math.sin(angle), -px * math.sin(angle) + py * math.cos(angle)
        distance = np.hypot(px, py) - r if kind == "circle" else np.maximum(abs(px), abs(py)) - 0.88 * r
        return np.clip(0.5 - distance, 0, 1)

    grounds = np.array(background, float), np.array(foreground, float)
    frames = []
    for cx, cy, r, angle in ((x0, y0, radius, 0.0), (x0 + dx, y0 + dy, radius * growth, turn)):
        alpha = coverage(cx, cy, r, angle)[..., None]
        frames.append((1 - alpha) * grounds[0] + alpha * grounds[1])
    luma = np.array([0.299, 0.587, 0.114])
    cos, sin = growth * math.cos(turn), growth * math.sin(turn)
    # Pixel i has its centre at i + 0.5.
    motion = dict(matrix=(cos, -sin, sin, cos), shift=(dx, dy), centre=(x0 - 0.5, y0 - 0.5), shape=kind, radius=radius)
    return frames[0] @ luma, frames[1] @ luma, motion


def true_flow(motion, side):
    """(matrix - 1)(p - centre) + shift, and 0 outside the shape where there is one."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    x, y = x - motion["centre"][0], y - motion["centre"][1]
    a, b, c, d = motion["matrix"]
    u, v = (a - 1) * x + b * y + motion["shift"][0], c * x + (d - 1) * y + motion["shift"][1]
    if "shape" in motion:
        r = motion["radius"]
        inside = np.hypot(x, y) < r if motion["shape"] == "circle" else np.maximum(abs(x), abs(y)) < 0.88 * r
        u, v = np.where(inside, u, 0), np.where(inside, v, 0)
    return u, v


def flow_cases():
    one = rotation(0)
    return {
        "translate_0.4_0.3": affine_pair(1, one, (0.4, 0.3)),
        "translate_2.5_-1.5": affine_pair(2, one, (2.5, -1.5)),
        "translate_7_4": affine_pair(3, one, (7.0, 4.0)),
        "translate_-13_6": affine_pair(4, one, (-13.0, 6.0)),
        "rotate_3": affine_pair(5, rotation(3), (0, 0)),
        "rotate_10": affine_pair(6, rotation(10), (0, 0)),
        "zoom_1.05": affine_pair(7, rotation(0, 1.05), (0, 0)),
        "zoom_0.85": affine_pair(8, rotation(0, 0.85), (0, 0)),
        "rotate_5_zoom_1.1_shift": affine_pair(9, rotation(5, 1.1), (2.0, -3.0)),
        "circle_right_2.4": shape_pair("circle", 30, 32, 11, 2.4, 0),
        "square_left_2.2": shape_pair("square", 34, 32, 11, -2.2, 0, foreground=(55, 105, 245), background=(12, 22, 70)),
        "circle_drop_9": shape_pair("circle", 32, 22, 10, 0, 9, foreground=(245, 220, 40), background=(120, 120, 120)),
        "square_spin_11": shape_pair("square", 32, 30, 14, 0, 0, turn=math.radians(11), foreground=(30, 185, 55), background=(255, 255, 255)),
        "circle_grow_1.09": shape_pair("circle", 31, 33, 10, 0, 0, growth=1.09, foreground=(165, 60, 215)),
    }


def end_point_error(flow, u, v, margin):
    error = np.hypot(flow[..., 0] - u, flow[..., 1] - v)
    return float(error[margin:-margin, margin:-margin].mean())


def opencv_flows(first, second):
    import cv2

    flows = {}
    for name, preset in (("dis_medium", cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), ("dis_full", cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)):
        method = cv2.DISOpticalFlow_create(preset)
        if name == "dis_full":
            method.setFinestScale(0)
        flows[name] = method.calc(first, second, None)
    flows["farneback"] = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 4, 13, 10, 5, 1.1, 0)
    return flows


def make_flow():
    from safetensors.numpy import save_file

    tensors, cases = {}, {}
    for name, (first, second, motion) in flow_cases().items():
        first, second = (np.clip(np.round(f), 0, 255).astype(np.uint8) for f in (first, second))
        tensors[name] = np.stack([first, second])
        u, v = true_flow(motion, len(first))
        errors = {kind: round(end_point_error(flow, u, v, MARGIN), 5) for kind, flow in opencv_flows(first, second).items()}
        cases[name] = motion | {"opencv_end_point_error": errors}
    save_file(tensors, GOLDEN / "flow.safetensors")
    (GOLDEN / "flow.json").write_text(json.dumps({"margin": MARGIN, "cases": cases}, indent=1) + "\n")


# --- Calibration --------------------------------------------------------------------------------


# Width of the ramp from fidelity 0 to 1. Narrower tells wrong shapes better from right ones, but a clip that
# is a little blurred would fall off it: the mean cosine of decoded clips is about 0.1 below that of drawn ones.
RAMP_WIDTH = 0.2


def calibrate(folder, count=300):
    """Measures where right and wrong captions lie on drawn clips; see `Calibration` in the engine."""
    import random
    import sys
    from dataclasses import replace

    import torch
    from PIL import Image
    from transformers import CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    sys.path.insert(0, str(REPOSITORY / "tools"))
    from starter import data

    model, tokenizer = CLIPModel.from_pretrained(folder).float().eval(), CLIPTokenizer.from_pretrained(folder)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    positions = model.config.text_config.max_position_embeddings
    rng, unit = random.Random(11), torch.nn.functional.normalize

    @torch.no_grad()
    def text(caption):
        ids = tokenizer(caption, truncation=True, max_length=positions)["input_ids"]
        return unit(model.get_text_features(torch.tensor([ids])).pooler_output, dim=-1)[0]

    tables = {"color": list(data.COLORS), "background": list(data.BACKGROUNDS), "shape": list(data.SHAPES)}
    images, right, wrong = [], [], {name: [] for name in tables}
    for _ in range(count):
        spec = data.random_spec(rng)
        frames = ((data.render(spec, data.trajectory(spec, rng)) + 1) * 127.5).round().to(torch.uint8)
        pixels = processor([Image.fromarray(f.permute(1, 2, 0).numpy()) for f in frames], return_tensors="np")["pixel_values"]
        with torch.no_grad():
            images.append(unit(model.get_image_features(torch.tensor(np.asarray(pixels)).float()).pooler_output, dim=-1))

        def cosine(spec):
            return float((images[-1] @ text(data.caption(spec, random.Random(1)))).mean())

        right.append(cosine(spec))
        for name, values in tables.items():
            other = rng.choice([value for value in values if value != getattr(spec, name)])
            wrong[name].append(cosine(replace(spec, **{name: other})))
    unrelated = [1 - float((a @ b.T).mean()) for a, b in zip(images, images[1:])]
    neighbours = [1 - float((a[1:] * a[:-1]).sum(-1).mean()) for a in images]
    one = round(float(np.quantile(right, 0.1)), 3)
    zero = round(one - RAMP_WIDTH, 3)

    def fidelity(cosines):
        return round(float(np.clip((np.array(cosines) - zero) / (one - zero), 0, 1).mean()), 3)

    result = dict(cosine_zero=zero, cosine_one=one, unrelated_distance=round(float(np.mean(unrelated)), 3))
    result["measured"] = dict(
        clips=count,
        fidelity_of_right_captions=fidelity(right),
        fidelity_with_one_wrong_attribute={name: fidelity(cosines) for name, cosines in wrong.items()},
        right_above_wrong={name: round(float((np.array(right) > np.array(w)).mean()), 3) for name, w in wrong.items()},
        mean_distance_of_neighbours=round(float(np.mean(neighbours)), 4),
    )
    (folder / "score_calibration.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("golden")
    commands.add_parser("starter")
    commands.add_parser("flow")
    for name in ("clip-b32", "lpips-full"):
        commands.add_parser(name).add_argument("folder", type=Path)
    convert = commands.add_parser("convert-lpips")
    convert.add_argument("alexnet", type=Path)
    convert.add_argument("folder", type=Path)
    fit = commands.add_parser("calibrate")
    fit.add_argument("folder", type=Path, nargs="?", default=STARTER_CLIP)
    arguments = parser.parse_args()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    match arguments.command:
        case "golden":
            make_frames(GOLDEN)
            for name, spec in CLIP_CONFIGS.items():
                make_clip(GOLDEN / name, spec)
            make_starter()
            make_lpips()
            make_flow()
        case "starter":
            make_starter()
        case "flow":
            make_flow()
        case "clip-b32":
            make_clip_b32(arguments.folder)
        case "lpips-full":
            make_lpips_full(arguments.folder)
        case "convert-lpips":
            convert_lpips(arguments.alexnet, arguments.folder)
        case "calibrate":
            calibrate(arguments.folder)


if __name__ == "__main__":
    main()
