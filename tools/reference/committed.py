"""The cases that live in the repository: few, small, and between them every branch of every component."""

from pathlib import Path

from . import clip_text, pickles, pipeline, scheduler, tokenizer, unet, vae
from .clip_text import ClipTextCase
from .pipeline import Request
from .unet import UNetCase
from .vae import VaeCase

C_DOWN, DOWN = "CrossAttnDownBlock3D", "DownBlock3D"
C_UP, UP = "CrossAttnUpBlock3D", "UpBlock3D"


def unet_config(channels: list[int], down: list[str], up: list[str], **changes) -> dict:
    return {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "down_block_types": down, "up_block_types": up,
        "block_out_channels": channels, "layers_per_block": 1, "downsample_padding": 1, "mid_block_scale_factor": 1,
        "act_fn": "silu", "norm_num_groups": 4, "norm_eps": 1e-5, "cross_attention_dim": 8, "attention_head_dim": 4,
        "num_attention_heads": None, "time_cond_proj_dim": None, **changes,
    }


# (name, configuration, (batch, frames, height, width), text length, timestep, every layer captured)
UNETS = [
    ("starter-like", unet_config([4, 8], [C_DOWN, DOWN], [UP, C_UP], norm_num_groups=2), (2, 3, 4, 4), 77, 981.0, True),
    ("three-levels-odd", unet_config([4, 6, 4], [C_DOWN, C_DOWN, DOWN], [UP, C_UP, C_UP], attention_head_dim=2,
                                     norm_num_groups=2), (1, 2, 7, 9), 5, 500.0, False),
    ("one-level-one-frame", unet_config([6], [C_DOWN], [C_UP], layers_per_block=2, norm_num_groups=2,
                                        attention_head_dim=2), (1, 1, 4, 6), 77, 1.0, False),
    ("plain-blocks", unet_config([4, 8], [DOWN, DOWN], [UP, UP], in_channels=9, out_channels=3, act_fn="gelu",
                                 mid_block_scale_factor=2, norm_num_groups=2, attention_head_dim=2),
     (2, 4, 5, 4), 3, 20.0, False),
    ("pad-right-bottom", unet_config([4, 4, 4], [C_DOWN, DOWN, C_DOWN], [C_UP, UP, C_UP], downsample_padding=0,
                                     norm_num_groups=2, attention_head_dim=2), (1, 2, 11, 10), 4, 999.0, False),
    ("four-levels", unet_config([4, 4, 6, 4], [C_DOWN, DOWN, C_DOWN, DOWN], [C_UP, UP, C_UP, UP],
                                norm_num_groups=1, attention_head_dim=2), (1, 3, 8, 8), 7, 250.0, False),
    ("24-frames-heads-do-not-divide", unet_config([4, 8], [C_DOWN, C_DOWN], [C_UP, C_UP], attention_head_dim=3, act_fn="mish",
                                        norm_num_groups=2, norm_eps=1e-3, time_cond_proj_dim=6, cross_attention_dim=10),
     (1, 24, 4, 2), 6, 638.054, False),
    ("odd-width-relu", unet_config([9, 6], [DOWN, C_DOWN], [C_UP, UP], attention_head_dim=3, act_fn="relu",
                                   norm_num_groups=3, mid_block_scale_factor=0.7), (1, 5, 3, 5), 2, 0.0, False),
]


def vae_config(channels: list[int], **changes) -> dict:
    return {
        "in_channels": 3, "out_channels": 3, "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels), "block_out_channels": channels, "layers_per_block": 1,
        "act_fn": "silu", "latent_channels": 4, "norm_num_groups": 4, "sample_size": 32, "scaling_factor": 0.18215,
        **changes,
    }


VAES = [
    ("starter-like", VaeCase(vae_config([4, 4, 8, 8]), (2, 16, 24), (2, 2, 3))),
    ("old-names-odd-size", VaeCase(vae_config([8, 8], norm_num_groups=2, use_quant_conv=False, layers_per_block=2),
                                   (1, 9, 7), (1, 5, 3), legacy_names=True)),
    ("no-attention", VaeCase(vae_config([4, 6, 4], mid_block_add_attention=False, act_fn="gelu", latent_channels=3,
                                        use_post_quant_conv=False, layers_per_block=3, norm_num_groups=2),
                             (1, 13, 11), (1, 3, 4))),
    ("one-level", VaeCase(vae_config([8], latent_channels=8, norm_num_groups=1), (1, 5, 4), (1, 5, 4))),
]


def clip_config(hidden: int, heads: int, layers: int, act: str, **changes) -> dict:
    return {
        "vocab_size": 60, "hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "max_position_embeddings": 77, "hidden_act": act, "layer_norm_eps": 1e-5,
        "bos_token_id": 58, "eos_token_id": 59, "pad_token_id": 59, "projection_dim": 8, **changes,
    }


CLIPS = [
    ("published-quick-gelu", ClipTextCase(clip_config(16, 2, 2, "quick_gelu"), 2, 77, "published")),
    ("bare-gelu", ClipTextCase(clip_config(18, 3, 1, "gelu"), 1, 77, "bare")),
    ("position-ids-eos-2", ClipTextCase(clip_config(16, 4, 1, "quick_gelu", bos_token_id=0, eos_token_id=2, pad_token_id=1),
                                        2, 40, "position_ids")),
    ("projection", ClipTextCase(clip_config(12, 1, 1, "gelu", layer_norm_eps=1e-6), 2, 9, "projection")),
]

DDIM, DPM, EULER = scheduler.CLASSES
SCHEDULERS = [
    # What the starter model and the published ZeroScope and ModelScope files ask for.
    ("ddim-starter", DDIM, {"prediction_type": "v_prediction", "beta_schedule": "scaled_linear", "steps_offset": 1,
                            "timestep_spacing": "leading", "set_alpha_to_one": False, "clip_sample": False, "steps": 25}),
    ("ddim-zeroscope", DDIM, {"prediction_type": "epsilon", "beta_schedule": "scaled_linear", "steps_offset": 1,
                              "timestep_spacing": "leading", "set_alpha_to_one": False, "clip_sample": False, "steps": 50}),
    ("dpm-default", DPM, {"prediction_type": "epsilon", "beta_schedule": "scaled_linear", "steps": 25}),
    ("euler-default", EULER, {"prediction_type": "epsilon", "beta_schedule": "scaled_linear", "steps": 25}),
]
RANDOM_SCHEDULERS = 27

TINY = {"channels": [6, 6], "head_dim": 3, "text_width": 8, "hidden_act": "quick_gelu", "vae_channels": [4, 4, 4, 4],
        "stored_as": "f16"}
PIPELINES = [
    ("ddim-v-prediction", {**TINY, "scheduler": "ddim", "scheduler_settings": {**SCHEDULERS[0][2], "steps": 10}},
     Request("a red circle moving right on a white background", "", 10, 5.0, 3, 16, 24)),
    ("euler-negative-prompt", {**TINY, "scheduler": "euler", "hidden_act": "gelu",
                               "scheduler_settings": {**SCHEDULERS[3][2], "steps": 6}},
     Request("two yellow stars orbit each other at night", "blurry", 6, 7.5, 2, 24, 16)),
    ("dpm-no-guidance", {**TINY, "scheduler": "dpm", "scheduler_settings": {**SCHEDULERS[2][2], "steps": 8}},
     Request("a green triangle spinning", "", 8, 1.0, 1, 16, 16)),
]


def write_all(out: Path, vocabulary: Path) -> None:
    """Writes the whole committed subset below `out`. `vocabulary` is the starter model's tokenizer folder."""
    for index, (name, config, shape, text_length, timestep, deep) in enumerate(UNETS):
        case = UNetCase(config, shape, text_length, timestep, deep=deep)
        case.description = unet.describe(case)
        unet.write_case(out / "unet3d", name, case, 1000 + index)
    for index, (name, case) in enumerate(VAES):
        case.description = vae.describe(case)
        vae.write_case(out / "vae", name, case, 2000 + index)
    for index, (name, case) in enumerate(CLIPS):
        case.description = clip_text.describe(case)
        clip_text.write_case(out / "clip_text", name, case, 3000 + index)
    drawn = [(f"{class_name[:4].lower().rstrip('s')}-{index:02}", class_name, config) for index, (class_name, config)
             in enumerate(scheduler.random_cases(RANDOM_SCHEDULERS, 0))]
    for index, (name, class_name, config) in enumerate([*SCHEDULERS, *drawn]):
        scheduler.write_case(out / "scheduler", name, class_name, config, 4000 + index)
    tokenizer.write_case(out / "tokenizer", "starter", 5000, 150, vocabulary)
    tokenizer.write_case(out / "tokenizer", "multilingual", 5001, 150, None)
    for index, (name, settings, request) in enumerate(PIPELINES):
        pipeline.write_case(out / "pipeline", name, request, 6000 + index, settings=settings)
    pickles.write_all(out / "pickle", 7000)
