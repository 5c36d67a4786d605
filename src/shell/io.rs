//! The window's own errands on the disk and the desktop, away from the UI thread: file dialogs, a look at what a
//! path is, and writing the settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::dialog::{PathKind, PickTarget, RunFile};
use crate::app::io::{IoRequest, IoResponse};
use crate::app::session::Session;
use crate::dataset::IMAGE_EXTENSIONS;
use crate::files::atomic;
use crate::language::{key, t};
use crate::review::doctor::findings;
use crate::review::text::doctor_csv;
use crate::train::{record, replay};
use crate::worker::SearchFolder;

/// Looks at a path.
pub fn kind_of(path: &Path) -> PathKind {
    let Ok(metadata) = std::fs::metadata(path) else { return PathKind::Missing };
    if metadata.is_dir() {
        return match path {
            run if !record::runs_in(run).is_empty() => PathKind::Run,
            search if SearchFolder::new(search).search().is_file() => PathKind::Search,
            _ => PathKind::Folder,
        };
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        image if IMAGE_EXTENSIONS.contains(&image) => PathKind::Image,
        "txt" | "xml" | "json" => PathKind::Labels,
        "yaml" | "yml" => PathKind::Data,
        "toml" => PathKind::Session,
        "safetensors" if path.file_stem().is_some_and(|stem| stem == "adapter") => PathKind::Adapter,
        replay::EXTENSION => PathKind::Replay,
        "pt" | "pth" | "safetensors" | "torchscript" => PathKind::Weights { bytes: metadata.len() },
        _ => PathKind::Unknown,
    }
}

/// Runs errands, each on a thread of its own but for writes, which keep their order.
pub struct IoService {
    answers: Sender<IoResponse>,
    inbox: Receiver<IoResponse>,
    writes: Option<Sender<(PathBuf, String)>>,
    writer: Option<thread::JoinHandle<()>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl IoService {
    /// `wake` is called whenever an answer is waiting.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (answers, inbox) = channel();
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(wake);
        let (writes, jobs) = channel::<(PathBuf, String)>();
        let (failures, woken) = (answers.clone(), Arc::clone(&wake));
        let writer = thread::Builder::new().name("settings".into()).spawn(move || {
            for (path, text) in jobs {
                if let Err(message) = write(&path, &text) {
                    // Nobody listens any more when the window has gone.
                    let _ = failures.send(IoResponse::Failed { what: key!("the settings").into(), message });
                    woken();
                }
            }
        });
        Self { answers, inbox, writes: Some(writes), writer: writer.ok(), wake }
    }

    pub fn ask(&self, errand: IoRequest) {
        match errand {
            IoRequest::Write { path, text } => {
                if let Some(writes) = &self.writes {
                    let _ = writes.send((path, text));
                }
            }
            // The dialog is made here, because macOS wants that on the main thread, and waited for elsewhere.
            IoRequest::Pick(wanted) => {
                let mut dialog = rfd::AsyncFileDialog::new().set_title(wanted.title());
                if let Some((name, extensions)) = wanted.filter() {
                    dialog = dialog.add_filter(name, extensions).add_filter(t!("All files"), &["*"]);
                }
                let asked = Instant::now();
                match wanted {
                    PickTarget::Folder
                    | PickTarget::FigureFolder
                    | PickTarget::ForRun(
                        RunFile::Out
                        | RunFile::Earlier
                        | RunFile::SearchOut
                        | RunFile::EarlierSearch
                        | RunFile::Handover,
                    ) => {
                        let picked = dialog.pick_folder();
                        self.spawn(move || picked_answer(wanted, asked, pollster::block_on(picked)));
                    }
                    _ => {
                        let picked = dialog.pick_file();
                        self.spawn(move || picked_answer(wanted, asked, pollster::block_on(picked)));
                    }
                }
            }
            IoRequest::SaveCurves(export) => {
                let name = format!("{}.csv", export.name());
                self.save_as(t!("the curves"), CSV, &name, move || Ok(export.csv().into_bytes()));
            }
            IoRequest::SaveSurvey(export) => {
                let name = format!("{}.csv", export.name());
                self.save_as(t!("the survey"), CSV, &name, move || Ok(export.csv().into_bytes()));
            }
            IoRequest::SaveDoubts(review) => {
                let rows = move || Ok(doctor_csv(&review, &findings(&review)).into_bytes());
                self.save_as(t!("the review"), CSV, "labels-worth-a-look.csv", rows);
            }
            IoRequest::ReadSession(path) => self.spawn(move || {
                Some(match Session::read(&path) {
                    Ok(session) => IoResponse::Session { missing: session.missing(), session: Box::new(session) },
                    Err(message) => IoResponse::Failed { what: path.display().to_string(), message },
                })
            }),
            IoRequest::CheckSession(session) => {
                self.spawn(move || Some(IoResponse::Session { missing: session.missing(), session }));
            }
            IoRequest::SaveSession(session) => {
                let bytes = move || session.to_toml().map(String::into_bytes);
                self.save_as(t!("the session"), ("TOML", "toml"), "session.toml", bytes);
            }
            IoRequest::FindFreeFolder => {
                self.spawn(|| Some(IoResponse::FreeFolder(free_folder(&own_folder().join("runs"), "run"))));
            }
            IoRequest::FindSearchFolder => {
                self.spawn(|| Some(IoResponse::SearchFolder(free_folder(&own_folder().join("searches"), "search"))));
            }
            IoRequest::FindFigureFolder => self.spawn(|| Some(IoResponse::FigureFolder(own_folder().join("figures")))),
            IoRequest::ReadHyp(path, before) => self.spawn(move || {
                Some(match before.changed_by(&path) {
                    Ok(file) => IoResponse::Hyp { path, file: Box::new(file) },
                    Err(error) => {
                        IoResponse::Failed { what: key!("the hyperparameters").into(), message: error.to_string() }
                    }
                })
            }),
            IoRequest::Look { paths, onto } => self.spawn(move || {
                let found = paths.into_iter().map(|path| (kind_of(&path), path)).map(|(kind, path)| (path, kind));
                Some(IoResponse::Looked { found: found.collect(), onto })
            }),
        }
    }

    /// Asks for a file name and writes there what `bytes` makes.
    fn save_as(
        &self,
        what: &'static str,
        (format, extension): (&'static str, &'static str),
        name: &str,
        bytes: impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static,
    ) {
        let dialog = rfd::AsyncFileDialog::new()
            .set_title(t!("Save {what} as {format}", what, format))
            .set_file_name(name)
            .add_filter(format, &[extension]);
        let asked = Instant::now();
        let picked = dialog.save_file();
        self.spawn(move || match pollster::block_on(picked) {
            Some(file) => Some(save(what, bytes, file.path())),
            None => no_dialog(asked),
        });
    }

    pub fn try_recv(&self) -> Option<IoResponse> {
        self.inbox.try_recv().ok()
    }

    fn spawn(&self, errand: impl FnOnce() -> Option<IoResponse> + Send + 'static) {
        let (answers, wake) = (self.answers.clone(), Arc::clone(&self.wake));
        let started = thread::Builder::new().name("errand".into()).spawn(move || {
            if let Some(answer) = errand() {
                let _ = answers.send(answer);
                wake();
            }
        });
        if let Err(error) = started {
            let _ = self.answers.send(IoResponse::Failed { what: t!("a thread").into(), message: error.to_string() });
        }
    }
}

/// What a dialog calls the format, and its extension.
const CSV: (&str, &str) = ("CSV", "csv");

impl Drop for IoService {
    /// Waits for the last write: a settings file of a few kilobytes.
    fn drop(&mut self) {
        self.writes = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    atomic::write(path, text.as_bytes()).map_err(|error| error.to_string())
}

/// No person closes a dialog in that time: it never opened.
const INSTANT: Duration = Duration::from_millis(250);

fn picked_answer(wanted: PickTarget, asked: Instant, picked: Option<rfd::FileHandle>) -> Option<IoResponse> {
    match picked {
        Some(file) => Some(IoResponse::Picked(wanted, file.path().to_path_buf())),
        None => no_dialog(asked),
    }
}

/// What a dialog that was closed without an answer means.
fn no_dialog(asked: Instant) -> Option<IoResponse> {
    (asked.elapsed() < INSTANT).then(|| IoResponse::Failed {
        what: key!("the file dialog").into(),
        message: "the desktop offers no file dialog (xdg-desktop-portal or zenity); \
                  drop files on the window, or name them on the command line"
            .into(),
    })
}

fn save(what: &str, bytes: impl FnOnce() -> Result<Vec<u8>, String>, path: &Path) -> IoResponse {
    let written = bytes().and_then(|bytes| atomic::write(path, &bytes).map_err(|error| error.to_string()));
    match written {
        Ok(()) => IoResponse::Saved(path.to_path_buf()),
        Err(message) => IoResponse::Failed { what: what.into(), message },
    }
}

/// Below it go runs and figures unless told otherwise: the current folder, or the person's own where the program was
/// started from a desktop's menu.
fn own_folder() -> PathBuf {
    let current = std::env::current_dir().ok().filter(|folder| folder.parent().is_some());
    let home = || directories::UserDirs::new().map(|folders| folders.home_dir().to_path_buf());
    current.or_else(home).unwrap_or_default()
}

/// The first of `run-1`, `run-2` … that is not there, where `run` is what they are called.
fn free_folder(folder: &Path, name: &str) -> PathBuf {
    let names = (1_u32..).map(|number| folder.join(format!("{name}-{number}")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_its_name_and_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let kind = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "1234").expect("written");
            kind_of(&path)
        };
        assert_eq!(kind("A.JPG"), PathKind::Image);
        assert_eq!([kind("a.txt"), kind("a.xml"), kind("a.json")], [PathKind::Labels; 3]);
        assert_eq!(kind("data.yml"), PathKind::Data);
        assert_eq!(kind("best.torchscript.pt"), PathKind::Weights { bytes: 4 });
        assert_eq!(kind("best.torchscript"), PathKind::Weights { bytes: 4 });
        assert_eq!(kind("adapter.safetensors"), PathKind::Adapter);
        assert_eq!(kind("replay.distillscope"), PathKind::Replay);
        assert_eq!([kind("notes.docx"), kind("Makefile")], [PathKind::Unknown; 2]);
        assert_eq!(kind_of(folder.path()), PathKind::Folder);
        std::fs::write(folder.path().join("results.csv"), "").expect("written");
        assert_eq!(kind_of(folder.path()), PathKind::Run);
        let pairs = folder.path().join("pairs");
        std::fs::create_dir_all(pairs.join("baseline-3")).expect("made");
        assert_eq!(kind_of(&pairs), PathKind::Folder);
        std::fs::write(pairs.join("baseline-3/results.csv"), "").expect("written");
        assert_eq!(kind_of(&pairs), PathKind::Run);
        assert_eq!(kind_of(&folder.path().join("gone.jpg")), PathKind::Missing);
    }

    #[test]
    fn a_new_run_gets_a_folder_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = folder.path().join("runs");
        assert_eq!(free_folder(&runs, "run"), runs.join("run-1"));
        std::fs::create_dir_all(runs.join("run-1")).expect("made");
        std::fs::create_dir_all(runs.join("run-2")).expect("made");
        assert_eq!(free_folder(&runs, "run"), runs.join("run-3"));
    }

    #[test]
    fn the_last_write_is_done_when_the_desk_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/settings.toml");
        let io = IoService::new(|| {});
        for text in ["first", "last"] {
            io.ask(IoRequest::Write { path: path.clone(), text: text.into() });
        }
        drop(io);
        assert_eq!(std::fs::read_to_string(path).expect("a file"), "last");
    }
}
