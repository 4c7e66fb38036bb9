"""The same mathematics as diffusers, arranged for one CPU thread: only training and sampling use it.

* the text is projected to keys and values once per clip instead of once per frame;
* short self-attention runs as batched matrix products instead of a fused kernel made for long sequences;
* temporal `Conv3d` with kernel (3, 1, 1) runs as a 2-D convolution over (frames, pixels).
"""

import torch
import torch.nn.functional as F


class PerClipAttention:
    """Attention processor; diffusers repeats the text for each of `frames` frames, this undoes it."""

    def __init__(self, frames, longest_product=64):
        self.frames = frames
        self.longest_product = longest_product

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_unused):
        batch, length, _ = hidden_states.shape
        query = attn.to_q(hidden_states)
        if encoder_hidden_states is None:
            context = hidden_states
        else:
            context = encoder_hidden_states[:: self.frames]
            query = query.view(context.shape[0], -1, query.shape[-1])
        heads = [self._heads(x, attn.heads) for x in (query, attn.to_k(context), attn.to_v(context))]
        if encoder_hidden_states is None and length <= self.longest_product:
            mixed = self._by_products(*heads)
        else:
            mixed = F.scaled_dot_product_attention(*heads)
        return attn.to_out[0](mixed.transpose(1, 2).reshape(batch, length, -1))

    @staticmethod
    def _heads(projected, heads):
        return projected.view(*projected.shape[:2], heads, -1).transpose(1, 2)

    @staticmethod
    def _by_products(query, key, value):
        shape = query.shape
        query, key, value = (x.reshape(-1, *x.shape[2:]) for x in (query, key, value))
        scores = torch.bmm(query * shape[-1] ** -0.5, key.transpose(1, 2))
        return torch.bmm(scores.softmax(-1).to(value.dtype), value).view(shape)


def _temporal_forward(conv, hidden):
    batch, _, frames, height, width = hidden.shape
    flat = hidden.reshape(batch, -1, frames, height * width)
    mixed = F.conv2d(flat, conv.weight.squeeze(-1), conv.bias, padding=(1, 0))
    return mixed.view(batch, -1, frames, height, width)


def speed_up(unet, frames):
    """Apply all of it to a `UNet3DConditionModel` in place and return it."""
    unet.set_attn_processor(PerClipAttention(frames))
    for module in unet.modules():
        if isinstance(module, torch.nn.Conv3d) and module.kernel_size == (3, 1, 1):
            module.forward = _temporal_forward.__get__(module)
    return unet
