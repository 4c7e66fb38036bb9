//! The owner's rules. A refusal costs the miner nothing.

use std::collections::BTreeSet;

use infernet_network::proof::JobSpec;

/// Which jobs are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Only these models; all where it is empty.
    pub models: BTreeSet<String>,
    /// Only models under these licences; all where it is empty.
    pub licenses: BTreeSet<String>,
    /// Largest width and height in pixels; 0 for any.
    pub max_side: u32,
    /// Most frames; 0 for any.
    pub max_frames: u32,
    /// Most denoising steps; 0 for any.
    pub max_steps: u32,
    /// Least fee per denoising step, in micro-credits.
    pub price_microcredits_per_step: u64,
    /// Prompts with one of these words are refused.
    pub blocked_words: Vec<String>,
}

/// Why a job is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The model.
    #[error("this miner does not run {0}")]
    Model(String),
    /// Its licence.
    #[error("this miner does not run models under {0}")]
    License(String),
    /// The size.
    #[error("{what} is {found}, this miner takes at most {most}")]
    Size {
        /// Of what.
        what: &'static str,
        /// Asked for.
        found: u32,
        /// Taken.
        most: u32,
    },
    /// The fee.
    #[error("the fee is {found} micro-credits, this miner asks for {least}")]
    Fee {
        /// Offered.
        found: u64,
        /// Asked for.
        least: u64,
    },
    /// The prompt. Which word it was is not told.
    #[error("this miner does not take this prompt")]
    Prompt,
}

impl Declined {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(_) => "policy.model",
            Self::License(_) => "policy.license",
            Self::Size { .. } => "policy.size",
            Self::Fee { .. } => "policy.fee",
            Self::Prompt => "policy.prompt",
        }
    }
}

impl Policy {
    /// Whether a job is taken.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        job: &JobSpec,
        prompt: &str,
        model: &str,
        license: Option<&str>,
        fee_microcredits: u64,
    ) -> Result<(), Declined> {
        if !self.models.is_empty() && !self.models.contains(model) {
            return Err(Declined::Model(model.to_owned()));
        }
        let license = license.unwrap_or("an unknown licence");
        if !self.licenses.is_empty() && !self.licenses.contains(license) {
            return Err(Declined::License(license.to_owned()));
        }
        let sizes = [
            ("the width", job.width, self.max_side),
            ("the height", job.height, self.max_side),
            ("the number of frames", job.frames, self.max_frames),
            ("the number of steps", job.steps, self.max_steps),
        ];
        for (what, found, most) in sizes {
            if most > 0 && found > most {
                return Err(Declined::Size { what, found, most });
            }
        }
        let least = self.price_microcredits_per_step.saturating_mul(u64::from(job.steps));
        if fee_microcredits < least {
            return Err(Declined::Fee { found: fee_microcredits, least });
        }
        if self.blocks(prompt) {
            return Err(Declined::Prompt);
        }
        Ok(())
    }

    /// Whether one of the blocked words is in a prompt, as a whole word of any case.
    fn blocks(&self, prompt: &str) -> bool {
        let words: BTreeSet<String> = prompt
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        self.blocked_words.iter().any(|blocked| {
            let mut parts = blocked.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).peekable();
            parts.peek().is_some() && parts.all(|part| words.contains(&part.to_lowercase()))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn blocked_words_are_whole_words_of_any_case() {
        let policy = Policy {
            blocked_words: vec!["Gun".to_owned(), "two words".to_owned(), " ".to_owned()],
            ..Policy::default()
        };
        for (prompt, blocked) in [
            ("a GUN on a table", true),
            ("a gun!", true),
            ("a gunner", false),
            ("words, two of them", true),
            ("two of them", false),
            ("", false),
        ] {
            assert_eq!(policy.blocks(prompt), blocked, "{prompt}");
        }
    }
}
