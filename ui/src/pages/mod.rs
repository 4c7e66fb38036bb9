//! One file or folder per page. Each draws its four states: loading, error, empty, full.

mod earnings;
mod economics;
mod hardware;
mod home;
mod join;
mod models;
mod network;
mod proofs;
mod settings;
mod studio;

pub use earnings::EarningsState;
pub(crate) use earnings::earnings;
pub use economics::EconomicsState;
pub(crate) use economics::economics;
pub(crate) use hardware::hardware;
pub(crate) use home::home;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use join::question;
pub(crate) use models::models;
pub(crate) use network::network;
pub use proofs::ProofsState;
pub(crate) use proofs::proofs;
pub use settings::SettingsState;
pub(crate) use settings::settings;
pub use studio::StudioState;
pub(crate) use studio::studio;
