//! The sample session that comes with the program: where it lies.

use std::path::{Path, PathBuf};

use crate::inspect::Role;

/// The session that comes with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub data: PathBuf,
    pub teacher: Option<PathBuf>,
    pub student: Option<PathBuf>,
}

impl Sample {
    /// Side of the input that its models were trained at, px.
    pub const INPUT_SIDE: u32 = 320;

    /// Looks beside the executable, in the current folder, and where the program was built.
    pub fn find() -> Option<Self> {
        let executable = std::env::current_exe().ok();
        let beside = executable.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let places = [beside, std::env::current_dir().ok(), Some(env!("CARGO_MANIFEST_DIR").into())];
        places.into_iter().flatten().find_map(|place| Self::at(&place.join("sample_data")))
    }

    fn at(folder: &Path) -> Option<Self> {
        let data = folder.join("data.yaml");
        let weights = |role: Role| {
            let mut files = ["safetensors", "pt"].into_iter().map(|e| format!("models/{}.{e}", role.name()));
            files.find_map(|name| Some(folder.join(name)).filter(|path| path.is_file()))
        };
        data.is_file().then(|| Self { data, teacher: weights(Role::Teacher), student: weights(Role::Student) })
    }
}
