//! What is kept from one start to the next, as a TOML file in the platform's folder for settings.
//!
//! Reading is tolerant: what is missing takes its default, and a broken file costs a message, never a start. Writing
//! is whole or not at all.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::figure::FigureSettings;
use crate::app::session::Session;
use crate::files;
use crate::language::LanguageChoice;

/// More than any settings file needs.
const MAX_BYTES: u64 = 256 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeSetting {
    #[default]
    System,
    Light,
    Dark,
}

impl From<egui::ThemePreference> for ThemeSetting {
    fn from(theme: egui::ThemePreference) -> Self {
        match theme {
            egui::ThemePreference::System => Self::System,
            egui::ThemePreference::Light => Self::Light,
            egui::ThemePreference::Dark => Self::Dark,
        }
    }
}

impl From<ThemeSetting> for egui::ThemePreference {
    fn from(theme: ThemeSetting) -> Self {
        match theme {
            ThemeSetting::System => Self::System,
            ThemeSetting::Light => Self::Light,
            ThemeSetting::Dark => Self::Dark,
        }
    }
}

/// Sizes in points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowLayout {
    pub width: f32,
    pub height: f32,
    pub maximized: bool,
    pub left_panel: f32,
    pub right_panel: f32,
    /// Height.
    pub run_panel: f32,
}

impl WindowLayout {
    pub const MIN: [f32; 2] = [960.0, 600.0];
    const MAX: f32 = 16_384.0;

    /// Sizes that a window can have, whatever the file says.
    fn checked(self) -> Self {
        let side = |value: f32, least: f32, most: f32, default: f32| {
            if value.is_finite() { value.clamp(least, most) } else { default }
        };
        let default = Self::default();
        Self {
            width: side(self.width, Self::MIN[0], Self::MAX, default.width),
            height: side(self.height, Self::MIN[1], Self::MAX, default.height),
            maximized: self.maximized,
            left_panel: side(self.left_panel, 200.0, 480.0, default.left_panel),
            right_panel: side(self.right_panel, 320.0, 560.0, default.right_panel),
            run_panel: side(self.run_panel, 200.0, 1200.0, default.run_panel),
        }
    }
}

impl Default for WindowLayout {
    fn default() -> Self {
        Self { width: 1440.0, height: 900.0, maximized: false, left_panel: 256.0, right_panel: 384.0, run_panel: 304.0 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: ThemeSetting,
    pub language: LanguageChoice,
    /// Newest first.
    pub recent: Vec<PathBuf>,
    pub figure: FigureSettings,
    /// The tour is still to come: so it is where there was no file yet.
    pub tour_due: bool,
    pub window: WindowLayout,
    /// What was open at the end, and how it was looked at.
    pub session: Session,
}

impl Settings {
    pub const MAX_RECENT: usize = 12;

    /// Where they lie; `None` where the platform has no such folder.
    pub fn path() -> Option<PathBuf> {
        Some(directories::ProjectDirs::from("", "", "distillscope")?.config_dir().join("settings.toml"))
    }

    /// Reads a file; defaults and the tour without one, and with a sentence where it is broken.
    pub fn read(path: &Path) -> (Self, Option<String>) {
        let read = files::read_text(path, MAX_BYTES);
        let broken = |cause: String| {
            let message = format!("{}: {cause}; the defaults are used, and replace it on exit", path.display());
            (Self::default(), Some(message))
        };
        match read {
            Err(error) if error.is_missing() => (Self { tour_due: true, ..Self::default() }, None),
            Err(error) => broken(error.what()),
            Ok(text) => match toml::from_str(&text).and_then(|table| current(table).try_into::<Self>()) {
                Ok(settings) => (settings.checked(), None),
                Err(error) => broken(files::toml_problem(&error)),
            },
        }
    }

    fn checked(mut self) -> Self {
        self.recent.truncate(Self::MAX_RECENT);
        self.window = self.window.checked();
        self.session.curves = self.session.curves.checked();
        self.session.view = self.session.view.checked();
        self.figure = self.figure.checked();
        self
    }

    /// As it is written.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

/// A file of any age in today's form: the view and the curves once stood beside the session, which there was not always.
fn current(mut file: toml::Table) -> toml::Table {
    let (view, curves) = (file.remove("view"), file.remove("curves"));
    let session = file.entry("session").or_insert_with(|| toml::Table::new().into());
    if let toml::Value::Table(session) = session {
        for (key, value) in [("view", view), ("curves", curves)] {
            if let Some(value) = value {
                session.entry(key).or_insert(value);
            }
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::view::{ChannelView, Layer, ScaleChoice, ViewSettings};
    use crate::colormap::ColorMap;
    use crate::figure::curves::CurveView;
    use crate::figure::movie::{MovieChoice, MovieFormat};
    use crate::figure::{Background, FigureChoice, FigureFormat, Look};

    fn read(text: &str) -> (Settings, Option<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text).expect("written");
        Settings::read(&path)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let settings = Settings {
            theme: ThemeSetting::Dark,
            language: LanguageChoice::Chinese,
            recent: vec!["/a/图像.jpg".into()],
            figure: FigureSettings {
                folder: "/b/figures".into(),
                replace: true,
                choice: FigureChoice {
                    formats: vec![FigureFormat::Svg],
                    look: Look { background: Background::Transparent, width_mm: Some(88.0) },
                    ..FigureChoice::default()
                },
                movie: MovieChoice { format: MovieFormat::Gif, seconds: Some(4.0), ..MovieChoice::default() },
            },
            window: WindowLayout { left_panel: 300.0, ..WindowLayout::default() },
            tour_due: true,
            session: Session {
                psi: 0.25,
                view: ViewSettings {
                    layer: Layer::Difference,
                    scales: ScaleChoice::Stride(16),
                    color_map: Some(ColorMap::BlueRed),
                    channels: ChannelView::Top(8),
                    ..ViewSettings::default()
                },
                curves: CurveView { smoothing: 0.5, ..CurveView::default() },
                ..Session::default()
            },
        };
        assert_eq!(read(&settings.to_toml().expect("toml")), (settings, None));
    }

    #[test]
    fn an_older_file_keeps_its_view_and_curves() {
        let beside = "[view]\nopacity = 0.25\n[curves]\nsmoothing = 0.5\n";
        let (settings, message) = read(beside);
        assert_eq!(message, None);
        assert!(settings.session.is_empty());
        assert_eq!((settings.session.view.opacity, settings.session.curves.smoothing), (0.25, 0.5));
        // Where both were written, the session's own are the ones that were looked at.
        let (settings, message) = read(&format!("{beside}[session]\npsi = 0.75\n[session.view]\nopacity = 0.5\n"));
        assert_eq!(message, None);
        let Session { psi, view, curves, .. } = settings.session;
        assert_eq!((psi, view.opacity, curves.smoothing), (0.75, 0.5, 0.5));
    }

    #[test]
    fn a_broken_file_gives_defaults_and_a_message() {
        for text in ["theme = 7", "not toml at all [", "\u{0}", "[view]\nlayer = \"sideways\"", "session = 7"] {
            let (settings, message) = read(text);
            assert_eq!(settings, Settings::default(), "{text}");
            assert!(message.expect("a message").contains("settings.toml"), "{text}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Settings::read(folder.path()).1.is_some(), "a folder is no settings file");
    }

    #[test]
    fn what_is_missing_or_absurd_takes_its_default() {
        assert_eq!(read(""), (Settings::default(), None));
        let (settings, message) = read("[view]\nopacity = nan\n[window]\nwidth = 1e30\nleft_panel = nan");
        assert_eq!(message, None);
        assert_eq!(settings.session.view.opacity, 0.6);
        let (settings, message) =
            read("[figure.choice]\nscale = 200\nformats = []\n[figure.choice.look]\nwidth_mm = 7.0");
        assert_eq!((settings.figure, message), (FigureSettings::default(), None));
        let (settings, _) = read("[view]\nopacity = nan\n[window]\nwidth = 1e30\nleft_panel = nan");
        assert_eq!((settings.window.width, settings.window.left_panel), (16_384.0, 256.0));
    }

    #[test]
    fn the_tour_is_due_where_there_were_no_settings() {
        let (settings, message) = Settings::read(Path::new("/no/such/file"));
        assert_eq!((settings, message), (Settings { tour_due: true, ..Settings::default() }, None));
        // Whoever has a file has seen the window, be it an old or a broken one.
        for text in ["theme = \"dark\"", "not toml at all ["] {
            assert!(!read(text).0.tour_due, "{text}");
        }
    }
}
