//! Compiles the kernels that tch does not bind, and lets the program find libtorch where it was linked; `LD_LIBRARY_PATH`
//! still comes first.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

const KERNELS: &str = "src/native/kernels.cpp";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={KERNELS}");
    let lib = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from);
    let Some(lib) = lib else {
        fail("torch-sys does not say where libtorch lies; `make setup` gets it, or set LIBTORCH")
    };
    compile(&lib);
    if env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("unix") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}

/// With the headers and the ABI that torch-sys itself takes.
fn compile(lib: &Path) {
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let beside = || lib.parent().map(Path::to_owned).unwrap_or_default();
    let include = env::var_os("LIBTORCH_INCLUDE").map_or_else(beside, PathBuf::from).join("include");
    if !include.join("ATen/core/Tensor.h").is_file() {
        fail(&format!(
            "libtorch has no headers in {}; `make setup` gets a libtorch with them, or set LIBTORCH_INCLUDE to the folder above theirs",
            include.display()
        ));
    }
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    build.cpp(true).pic(true).warnings(false).include(&include).include(include.join("torch/csrc/api/include"));
    build.file(KERNELS).std("c++17").define("_GLIBCXX_USE_CXX11_ABI", abi.as_str());
    if let Err(error) = build.try_compile("distillscope_kernels") {
        let line = error.to_string().lines().next().unwrap_or_default().to_owned();
        fail(&format!(
            "{KERNELS} does not compile; a C++17 compiler is needed (Debian: apt install g++), or name one in CXX: {line}"
        ));
    }
}

fn fail(why: &str) -> ! {
    println!("cargo::error={why}");
    exit(1)
}
