"""Training and evaluation of the starter model: a tiny text-to-video latent diffusion model."""
