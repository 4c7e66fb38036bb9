//! How a command fails.

use std::fmt;
use std::process::ExitCode;

use infernet_api::client::ClientError;
use infernet_economics::EconomicsError;
use infernet_engine::EngineError;
use infernet_engine::devices::{ChooseError, DevicePreferenceError};
use infernet_engine::quality::QualityError;
use infernet_engine::sharding::PlanError;
use infernet_engine::store::StoreError;
use infernet_network::inference::RunError;
use infernet_node::bounds::BoundsError;

/// A failure with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Arguments or input that can't be used: 2.
    Input(anyhow::Error),
    /// Anything else: 1.
    Failed(anyhow::Error),
    /// A worker failed with this exit code and has said why.
    Reported(u8),
    /// Stopped by the user: 130.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) | Self::Failed(error) => write!(f, "{error:#}"),
            Self::Reported(code) => write!(f, "a worker ended with {code}"),
            Self::Interrupted => f.write_str("stopped"),
        }
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Failure::Input(anyhow::Error::msg(message.into()))
    }

    /// Prints the failure and gives its exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Interrupted => {
                eprintln!("stopped");
                ExitCode::from(130)
            }
            Failure::Reported(code) => ExitCode::from(code),
            Failure::Input(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
            Failure::Failed(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => Failure::Interrupted,
            EngineError::Tensor(_) => Failure::Failed(error.into()),
            EngineError::Plan(error) => error.into(),
            EngineError::Group(error) => {
                Failure::Failed(anyhow::Error::msg(format!("{error}\n  {} ({})", error.next_step(), error.code())))
            }
            _ => Failure::Input(error.into()),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Failure::Input(anyhow::Error::msg(format!("{error}\n  {} ({})", error.next_step(), error.code())))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Cancelled) {
            return Failure::Interrupted;
        }
        let next_step = error.next_step();
        let shown = if next_step.is_empty() { format!("{error}") } else { format!("{error}\n  {next_step}") };
        Failure::Failed(anyhow::Error::msg(shown))
    }
}

impl From<ChooseError> for Failure {
    fn from(error: ChooseError) -> Self {
        Failure::Input(anyhow::Error::msg(format!("{error}\n  {}", error.next_step())))
    }
}

impl From<DevicePreferenceError> for Failure {
    fn from(error: DevicePreferenceError) -> Self {
        Failure::Input(error.into())
    }
}

impl From<QualityError> for Failure {
    fn from(error: QualityError) -> Self {
        Failure::Input(error.into())
    }
}

impl From<EconomicsError> for Failure {
    fn from(error: EconomicsError) -> Self {
        Failure::Input(anyhow::Error::msg(format!("{error}\n  {} ({})", error.next_step(), error.code())))
    }
}

impl From<infernet_engine::video::Error> for Failure {
    fn from(error: infernet_engine::video::Error) -> Self {
        Failure::Failed(error.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Failed(error.into())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Engine(error) => error.into(),
            error => Failure::Input(error.into()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let shown = anyhow::Error::msg(format!("{error}\n  {} ({})", error.next_step(), error.code()));
        match &error {
            ClientError::Url { .. }
            | ClientError::Unencrypted { .. }
            | ClientError::NoTrust { .. }
            | ClientError::Authority { .. } => Failure::Input(shown),
            // The node says that the request itself can't be served: another time will not help.
            ClientError::Api(error) if matches!(error.code.status(), 400 | 404 | 422) => Failure::Input(shown),
            _ => Failure::Failed(shown),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Failed(error)
    }
}

impl From<BoundsError> for Failure {
    fn from(error: BoundsError) -> Self {
        Failure::Input(error.into())
    }
}
