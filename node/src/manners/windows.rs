//! Windows: the last input and what the shell would show a notification over.

use windows_sys::Win32::System::SystemInformation::GetTickCount;
use windows_sys::Win32::UI::Input::KeyboardAndMouse::{GetLastInputInfo, LASTINPUTINFO};
use windows_sys::Win32::UI::Shell::{
    QUNS_BUSY, QUNS_PRESENTATION_MODE, QUNS_RUNNING_D3D_FULL_SCREEN, SHQueryUserNotificationState,
};

/// The session of the person before the screen.
#[derive(Default)]
pub(super) struct Session;

impl Session {
    /// Whether a game, film or presentation fills the screen.
    #[allow(unsafe_code)]
    pub(super) fn full_screen(&mut self) -> Option<bool> {
        let mut state = 0;
        // SAFETY: the pointer is to a local of the type that is written.
        let result = unsafe { SHQueryUserNotificationState(&raw mut state) };
        (result >= 0).then(|| [QUNS_BUSY, QUNS_RUNNING_D3D_FULL_SCREEN, QUNS_PRESENTATION_MODE].contains(&state))
    }

    /// Seconds since the last key or move.
    #[allow(unsafe_code)]
    pub(super) fn idle_secs(&mut self) -> Option<u64> {
        let mut last = LASTINPUTINFO { cbSize: u32::try_from(size_of::<LASTINPUTINFO>()).ok()?, dwTime: 0 };
        // SAFETY: the structure is a local one and says its own size.
        let told = unsafe { GetLastInputInfo(&raw mut last) } != 0;
        // SAFETY: takes nothing and can't fail.
        let now = unsafe { GetTickCount() };
        // Both wrap around every 49.7 days.
        told.then(|| u64::from(now.wrapping_sub(last.dwTime)) / 1000)
    }

    /// Windows tells it to apps of its store only.
    pub(super) fn metered(&mut self) -> Option<bool> {
        None
    }
}
