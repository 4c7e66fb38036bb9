//! Cumulative alphas, with the bits of diffusers' f32 tables.

use super::config::{BetaSchedule, SchedulerConfig, SchedulerKind};

/// What diffusers' sigma-based samplers put for a last alpha of 0, to keep sigmas finite.
const TINY_ALPHA: f32 = 1.0 / 16_777_216.0;

/// `torch.linspace` in f32.
pub(super) fn linspace(start: f32, end: f32, n: usize) -> Vec<f32> {
    if n == 1 {
        return vec![start];
    }
    let step = (end - start) / (n - 1) as f32;
    (0..n)
        .map(|i| if i < n / 2 { libm::fmaf(step, i as f32, start) } else { libm::fmaf(-step, (n - 1 - i) as f32, end) })
        .collect()
}

/// `torch.cumprod` in f32: the running product is kept in f64.
fn cumulative_products(factors: &[f32]) -> Vec<f32> {
    factors
        .iter()
        .scan(1.0_f64, |product, &factor| {
            *product *= f64::from(factor);
            Some(*product as f32)
        })
        .collect()
}

/// Rescales betas so that the last step has no signal (Lin et al., 2024), algorithm 1.
fn rescale_zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let alphas: Vec<f32> = betas.iter().map(|beta| 1.0 - beta).collect();
    let roots: Vec<f32> = cumulative_products(&alphas).iter().map(|alpha| alpha.sqrt()).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let factor = first / (first - last);
    let products: Vec<f32> = roots.iter().map(|root| (root - last) * factor).map(|root| root * root).collect();
    let ratios = products.windows(2).map(|pair| pair[1] / pair[0]);
    std::iter::once(products[0]).chain(ratios).map(|alpha| 1.0 - alpha).collect()
}

/// Cumulative product of alphas for every training timestep.
pub(super) fn alphas_cumprod(config: &SchedulerConfig) -> Vec<f32> {
    let n = config.train_timesteps;
    let (start, end) = (config.beta_start, config.beta_end);
    let mut betas = match config.beta_schedule {
        BetaSchedule::Linear => linspace(start as f32, end as f32, n),
        BetaSchedule::ScaledLinear => {
            let roots = linspace(start.sqrt() as f32, end.sqrt() as f32, n);
            roots.iter().map(|root| root * root).collect()
        }
    };
    if config.zero_terminal_snr && n > 1 {
        betas = rescale_zero_terminal_snr(&betas);
    }
    let alphas: Vec<f32> = betas.iter().map(|beta| 1.0 - beta).collect();
    let mut products = cumulative_products(&alphas);
    if config.zero_terminal_snr && config.kind != SchedulerKind::Ddim {
        products[n - 1] = TINY_ALPHA;
    }
    products
}
