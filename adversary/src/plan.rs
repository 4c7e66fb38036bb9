//! What a run does at each step instead of running the model.

/// How the model outputs of one step come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Output {
    /// Both branches are computed.
    Computed,
    /// The last outputs again.
    Repeated,
    /// A straight line through the last two computed outputs, over timesteps.
    Extrapolated,
    /// The branch with the prompt is computed and given for both.
    OneForBoth,
    /// The branch with the prompt is computed; the other is as far from it as when both were last computed.
    OldDifference,
    /// Both branches are computed and made stronger by this share.
    Louder(f64),
    /// Both branches are computed; the one with the prompt is moved away from the other by this factor.
    Stretched(f32),
}

impl Output {
    /// Evaluations that are not made, of one or (with guidance) two.
    pub(crate) fn evaluations_saved(self, guided: bool) -> u32 {
        match self {
            Self::Computed | Self::Louder(_) | Self::Stretched(_) => 0,
            Self::Repeated | Self::Extrapolated => 1 + u32::from(guided),
            Self::OneForBoth | Self::OldDifference => 1,
        }
    }
}
