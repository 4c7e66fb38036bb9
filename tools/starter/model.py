"""The networks' configurations and the noise schedule, all standard diffusers and transformers classes."""

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TEXT_WIDTH = 64
TEXT_LENGTH = 77


def make_scheduler():
    """DDPM's linear betas with zero terminal SNR: a third of the timesteps lie below alpha_bar = 0.01.

    A clip is so redundant (4096 numbers for one moving shape) that its motion and layout show through the noise
    until alpha_bar is near 0.001; they must be decided from the text, so training needs timesteps down there.
    """
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="linear",
        beta_start=0.0001,
        beta_end=0.02,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def make_unet(channels=(32, 96)):
    """2.4 M parameters at the default width."""
    return UNet3DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=tuple(channels),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        attention_head_dim=8,
        norm_num_groups=8,
        cross_attention_dim=TEXT_WIDTH,
    )


def make_text_encoder(vocabulary):
    """A two-layer CLIP text encoder; the last two tokens of the vocabulary are start and end of text."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=TEXT_WIDTH,
            max_position_embeddings=TEXT_LENGTH,
            hidden_act="quick_gelu",
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )


def make_vae():
    """f8 autoencoder, 0.7 M parameters."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.18215,
    )


@torch.no_grad()
def initialise(unet, text_encoder):
    """Start as a model that predicts zero and whose temporal attention passes its input on."""
    silent = [unet.conv_out]
    for name, module in unet.named_modules():
        if name.endswith("proj_out") and ("temp_attentions" in name or name.startswith("transformer_in")):
            silent.append(module)
    for module in silent:
        module.weight.zero_()
        module.bias.zero_()
    for name, param in text_encoder.named_parameters():
        if name.endswith("token_embedding.weight"):
            param.normal_(0, 0.3)
        elif name.endswith("position_embedding.weight"):
            param.normal_(0, 0.1)


class Captioner:
    """Captions to padded token ids, remembered."""

    def __init__(self, tokenizer_folder):
        self.tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
        self._ids = {}

    def __len__(self):
        return len(self.tokenizer)

    def ids(self, captions):
        """Token ids `(batch, 77)`."""
        for text in captions:
            if text not in self._ids:
                encoded = self.tokenizer(text, padding="max_length", max_length=TEXT_LENGTH, truncation=True)
                self._ids[text] = torch.tensor(encoded.input_ids)
        return torch.stack([self._ids[text] for text in captions])
