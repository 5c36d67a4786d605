//! Atomic files: a temporary file in the target's folder, fsync, rename. What is no file is written into.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;
use thiserror::Error;

#[derive(Debug, Error)]
#[error("{}: cannot be written: {cause}", path.display())]
pub struct WriteError {
    pub path: PathBuf,
    pub cause: io::Error,
}

/// Writes the whole file, or leaves what was there as it was.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same, with the content streamed by `fill`.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
    try_write(path, fill).map_err(|cause| WriteError { path: path.to_owned(), cause })
}

/// Pretty-printed JSON with a final newline.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), WriteError> {
    write_with(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

fn try_write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if let Some(file) = into(path)? {
        let mut buffered = BufWriter::new(file);
        fill(&mut buffered)?;
        return buffered.flush();
    }
    let path = behind_links(path)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = temporary(folder)?;
    let mut buffered = BufWriter::new(temporary.as_file());
    fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    // A file that is there keeps the permissions that it was given.
    if let Ok(old) = fs::metadata(&path) {
        temporary.as_file().set_permissions(old.permissions())?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    // The rename itself is lasting only once the folder is on disk; where folders cannot be opened it need not be.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// What is no regular file (a device, a pipe) is written into, and so are the system's names for open files: a rename
/// would put a file in its place.
fn into(path: &Path) -> io::Result<Option<File>> {
    let of_the_system = ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"].iter().any(|name| path.starts_with(name));
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() || of_the_system => File::options().write(true).open(path).map(Some),
        _ => Ok(None),
    }
}

/// The file that a path stands for: the end of its links, whether there is one yet or not.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    /// As Linux has it.
    const MAX_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

/// A new file is for everyone whom the umask lets in; temporary files would be private.
#[cfg(unix)]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(error.unwrap_err().to_string().contains("report.json"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(Path::new("/nowhere/at/all.json"), b"").unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all.json"));
    }

    #[cfg(unix)]
    #[test]
    fn links_devices_and_pipes_stay_what_they_are() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        symlink("elsewhere/real.json", at("link")).unwrap();
        for content in [b"new", b"old"] {
            // A link that leads nowhere yet, then one to a file.
            write(&at("link"), content).unwrap();
            assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
            assert_eq!(fs::read(at("elsewhere/real.json")).unwrap(), content);
        }
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let pipe = at("pipe");
        let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
        write(&at("pipe"), b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
        symlink("/dev/null", at("null")).unwrap();
        write(&at("null"), b"nothing").unwrap();
        write(Path::new("/dev/null"), b"nothing").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert!(write(folder.path(), b"").unwrap_err().to_string().contains("directory"));

        // As the shell's own `>` makes a file under the process's umask.
        let made = std::process::Command::new("sh").arg("-c").arg("> shell").current_dir(folder.path()).status();
        assert!(made.unwrap().success());
        write(&at("ours"), b"").unwrap();
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode();
        assert_eq!(mode("ours"), mode("shell"));
        fs::set_permissions(at("ours"), fs::Permissions::from_mode(0o640)).unwrap();
        write(&at("ours"), b"again").unwrap();
        assert_eq!(mode("ours") & 0o777, 0o640);
    }
}
