//! Compiles the shell's configuration into the program, and keeps a Windows program made with mingw-w64 in one file.

fn main() {
    #[cfg(feature = "desktop")]
    tauri_build::build();
    if let Err(reason) = link_cpp_statically() {
        println!(
            "cargo:warning=the C++ library is not linked statically, so libstdc++-6.dll must lie beside the program: {reason}"
        );
    }
}

/// C++ code of the dependencies asks for `stdc++`, which mingw-w64 has as a DLL, that no Windows has, and as an archive. Of a folder
/// with the archive alone the linker takes that.
fn link_cpp_statically() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    if variable("CARGO_CFG_TARGET_OS")? != "windows" || variable("CARGO_CFG_TARGET_ENV")? != "gnu" {
        return Ok(());
    }
    let compiler = format!("{}-w64-mingw32-g++", variable("CARGO_CFG_TARGET_ARCH")?);
    let asked = std::process::Command::new(&compiler).arg("-print-file-name=libstdc++.a").output();
    let archive = asked.map_err(|error| format!("{compiler}: {error}"))?.stdout;
    let archive = String::from_utf8_lossy(&archive).trim().to_owned();
    let folder = variable("OUT_DIR")?;
    std::fs::copy(&archive, format!("{folder}/libstdc++.a")).map_err(|error| format!("{archive}: {error}"))?;
    println!("cargo:rustc-link-search=native={folder}");
    Ok(())
}
