//! Windows gives a program of the command line a console window when it is started from anywhere else. A desktop that was opened
//! from the Start menu or by a link is to have none.

use std::os::windows::process::CommandExt;
use std::process::{Command, ExitCode};

use windows_sys::Win32::System::Console::GetConsoleProcessList;
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

/// Whether this process has a console that was opened for it alone: nobody typed a command.
#[allow(unsafe_code)]
fn is_alone() -> bool {
    let mut processes = [0_u32; 2];
    // SAFETY: the pointer is to a local array of the length that is said.
    unsafe { GetConsoleProcessList(processes.as_mut_ptr(), 2) == 1 }
}

/// Starts this program again with the same arguments and an invisible console, which its workers share; the code to exit with then. None
/// where there is nothing to hide, or where it does not work: a window too many is better than no InferNet.
pub(crate) fn hide() -> Option<ExitCode> {
    if !is_alone() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let started = Command::new(program).args(std::env::args_os().skip(1)).creation_flags(CREATE_NO_WINDOW).spawn();
    started.is_ok().then_some(ExitCode::SUCCESS)
}
