//! The window as a whole: it owns the state, the widgets' memory and the workers.

mod icon;
pub mod io;
mod keys;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use io::IoService;

use crate::app::command::Command;
use crate::app::io::{IoRequest, IoResponse};
use crate::app::level::Level;
use crate::app::session::Session;
use crate::app::settings::{Settings, WindowLayout};
use crate::app::state::State;
use crate::app::update::effect::Effect;
use crate::app::update::reports::receive;
use crate::app::update::{answered, apply};
use crate::app::{figure, run, talk};
use crate::language::{self, Language, t};
use crate::sample::Sample;
use crate::ui;
use crate::worker::{Job, JobKind, Report, Worker};

/// What the command line says of the window.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub image: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub teacher: Option<PathBuf>,
    pub student: Option<PathBuf>,
    /// Recorded runs, to replay; they need no device.
    pub replays: Vec<PathBuf>,
    /// "auto", "cpu", "cuda" or "cuda:N"; empty is "auto".
    pub device: String,
    /// For whom no language has been chosen.
    pub system_language: Language,
    /// Tell on exit how long frames took.
    pub profile: bool,
}

/// Who does the long work. The program has [`Worker`]; tests have one that does nothing.
pub trait Backend {
    fn send(&self, job: Job);
    fn cancel(&self, kind: JobKind);
    fn try_recv(&self) -> Option<Report>;
}

impl Backend for Worker {
    fn send(&self, job: Job) {
        self.send(job);
    }

    fn cancel(&self, kind: JobKind) {
        self.cancel(kind);
    }

    fn try_recv(&self) -> Option<Report> {
        self.try_recv()
    }
}

/// How long a frame may take in reports.
const REPORT_BUDGET: Duration = Duration::from_millis(3);
/// Seconds between two looks at whether the settings have changed.
const SETTINGS_INTERVAL: f64 = 5.0;

pub struct App<B> {
    pub state: State,
    backend: B,
    io: IoService,
    memory: ui::Memory,
    layout: WindowLayout,
    settings_path: Option<PathBuf>,
    saved: Settings,
    next_save: f64,
    /// The window closes as soon as the run or the search has ended.
    closing: bool,
    start: Instant,
    /// UI-thread time of the frame in hand; `None` before its first drawing.
    frame: Option<Duration>,
    /// Of [`App::tick`], which belongs to the drawing that follows.
    ticked: Duration,
    /// The tour has not come by itself yet.
    tour_due: bool,
    /// The zoom to go back to when the talk is left.
    zoom_before: Option<f32>,
}

impl<B: Backend> App<B> {
    /// `settings_path`: where settings are written; `None` keeps them nowhere.
    pub fn new(
        ctx: &egui::Context,
        backend: B,
        settings: Settings,
        settings_path: Option<PathBuf>,
        options: &Options,
    ) -> Self {
        let device = if options.device.is_empty() { "auto".to_owned() } else { options.device.clone() };
        ui::style::install(ctx);
        ctx.set_theme(egui::ThemePreference::from(settings.theme));
        let state = State {
            theme: settings.theme.into(),
            language: settings.language,
            system_language: options.system_language,
            recent: settings.recent.clone(),
            view: settings.session.view,
            runs: run::Runs::with_view(settings.session.curves.clone()),
            figure: figure::FigureState::with(settings.figure.clone()),
            sample: Sample::find(),
            device_choice: device.clone(),
            ..State::default()
        };
        let wake = ctx.clone();
        let mut app = Self {
            state,
            backend,
            io: IoService::new(move || wake.request_repaint()),
            memory: ui::Memory::default(),
            layout: settings.window,
            tour_due: settings.tour_due,
            settings_path,
            saved: settings,
            next_save: SETTINGS_INTERVAL,
            closing: false,
            start: Instant::now(),
            frame: None,
            ticked: Duration::ZERO,
            zoom_before: None,
        };
        language::speak(app.state.spoken());
        app.open(ctx, options, device);
        app
    }

    fn open(&mut self, ctx: &egui::Context, options: &Options, device: String) {
        let mut commands = Vec::new();
        commands.extend(options.data.clone().map(Command::OpenData));
        commands.extend(options.image.clone().map(Command::OpenImage));
        commands.extend(options.teacher.clone().map(|path| Command::OpenModel(crate::inspect::Role::Teacher, path)));
        commands.extend(options.student.clone().map(|path| Command::OpenModel(crate::inspect::Role::Student, path)));
        if commands.is_empty() && !options.replays.is_empty() {
            return self.run(ctx, Command::OpenReplays(options.replays.clone()));
        }
        if commands.is_empty() {
            self.show_around(ctx);
            match &self.saved.session {
                session if session.is_empty() => commands.push(Command::OpenSample),
                session => self.io.ask(IoRequest::CheckSession(Box::new(session.clone()))),
            }
        }
        // A device that was named is taken before the models are loaded onto another; to find out which one is
        // there can take seconds, so "auto" comes after the files have said what they are.
        let place = if device == "auto" { commands.len() } else { 0 };
        commands.insert(place, Command::SetDevice(device));
        for command in commands {
            self.run(ctx, command);
        }
    }

    /// Begins the tour where it is due. The settings are written at once: a crash does not bring it back.
    fn show_around(&mut self, ctx: &egui::Context) {
        if std::mem::take(&mut self.tour_due) {
            self.run(ctx, Command::TakeTour);
            self.next_save = 0.0;
        }
    }

    /// Shows a message as if something here had gone wrong.
    pub fn tell(&mut self, ctx: &egui::Context, what: &str, message: String) {
        let effects = answered(&mut self.state, IoResponse::Failed { what: what.to_owned(), message });
        self.carry_out(ctx, effects);
    }

    /// Takes in what has happened elsewhere.
    pub fn tick(&mut self, ctx: &egui::Context) {
        let begin = Instant::now();
        language::speak(self.state.spoken());
        self.state.now = self.start.elapsed().as_secs_f64();
        if let Some(frame) = self.frame.take() {
            self.state.frame_times.add(self.state.now, frame.as_secs_f64() * 1e3);
        }
        self.state.runs.advance(self.state.now);
        if self.state.runs.is_taking_in() {
            self.state.runs.take_in();
            ctx.request_repaint();
        }
        while let Some(report) = self.backend.try_recv() {
            let effects = receive(&mut self.state, report);
            self.carry_out(ctx, effects);
            if begin.elapsed() > REPORT_BUDGET {
                ctx.request_repaint();
                break;
            }
        }
        while let Some(answer) = self.io.try_recv() {
            let effects = answered(&mut self.state, answer);
            self.carry_out(ctx, effects);
        }
        if self.state.dataset.is_searching() {
            self.state.dataset.search_on();
            ctx.request_repaint();
        }
        if self.state.now >= self.next_save {
            self.save_settings(ctx);
        }
        self.ticked = begin.elapsed();
    }

    /// Closing the window with a run or a search under way first ends that run after its step, with a checkpoint; a second time closes at
    /// once, and the run goes on from its last checkpoint when it is resumed.
    fn close(&mut self, ctx: &egui::Context) {
        let (run, search) = (self.state.runs.live.is_some(), self.state.runs.search.live.is_some());
        let live = run || search;
        if ctx.input(|input| input.viewport().close_requested()) && live && !self.closing {
            self.closing = true;
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            let (stop, text) = match search {
                true => (
                    Command::StopSearch,
                    t!("The search ends after this step, then the window closes. Close it again to leave at once."),
                ),
                false => (
                    Command::StopRun,
                    t!("The run ends after this step, then the window closes. Close it again to leave at once."),
                ),
            };
            self.run(ctx, stop);
            self.memory.toasts.add(Level::Info, text, None);
        } else if self.closing && !live {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    /// Draws the window and carries out what is asked for in it.
    pub fn draw(&mut self, ui: &mut egui::Ui) {
        let begin = Instant::now();
        let ctx = ui.ctx().clone();
        language::speak(self.state.spoken());
        self.close(&ctx);
        let mut commands = keys::pressed(&ctx, &self.state);
        commands.extend(ui::show(ui, &self.state, &mut self.memory, self.layout));
        for command in commands {
            if let Some(command) = self.memory.resolve(command, &self.state) {
                self.run(&ctx, command);
            }
        }
        self.fit_stage(&ctx);
        // The spinner turns by itself; the time left does not.
        if !self.state.activities.is_empty() {
            ctx.request_repaint_after(Duration::from_millis(250));
        }
        if self.state.runs.playback.is_some_and(|playback| playback.playing) {
            ctx.request_repaint_after(Duration::from_millis(50));
        }
        // A frame may be drawn twice, where its layout did not settle at once.
        let so_far = self.frame.unwrap_or(self.ticked);
        self.frame = Some(so_far + begin.elapsed());
    }

    /// In a talk everything is as large as the window allows.
    fn fit_stage(&mut self, ctx: &egui::Context) {
        let now = ctx.zoom_factor();
        if self.state.talk.on {
            self.zoom_before.get_or_insert(now);
            let wanted = talk::zoom(ctx.content_rect().size() * now);
            // Rounding must not make it creep.
            if (wanted - now).abs() > 0.01 {
                ctx.set_zoom_factor(wanted);
            }
        } else if let Some(before) = self.zoom_before.take() {
            ctx.set_zoom_factor(before);
        }
    }

    fn run(&mut self, ctx: &egui::Context, command: Command) {
        let effects = apply(&mut self.state, command);
        self.carry_out(ctx, effects);
    }

    fn carry_out(&mut self, ctx: &egui::Context, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(job) => self.backend.send(job),
                Effect::Cancel(kind) => self.backend.cancel(kind),
                Effect::Ask(errand) => self.io.ask(errand),
                Effect::Toast { level, text, remedy } => self.memory.toasts.add(level, &text, remedy),
                Effect::SetTheme(theme) => ctx.set_theme(theme),
                Effect::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            }
        }
    }

    /// Settings as they are now.
    fn settings(&self, ctx: &egui::Context) -> Settings {
        let mut window = self.memory.layout(self.layout);
        ctx.input(|input| {
            let viewport = input.viewport();
            window.maximized = viewport.maximized.unwrap_or(false);
            // A talk's points are not the window's.
            let is_plain = !window.maximized && self.zoom_before.is_none();
            if let Some(size) = viewport.inner_rect.map(|rect| rect.size()).filter(|_| is_plain) {
                (window.width, window.height) = (size.x, size.y);
            }
        });
        Settings {
            theme: self.state.theme.into(),
            language: self.state.language,
            recent: self.state.recent.clone(),
            tour_due: self.tour_due,
            figure: self.state.figure.sheet.settings.clone(),
            window,
            session: Session::of(&self.state),
        }
    }

    fn save_settings(&mut self, ctx: &egui::Context) {
        self.next_save = self.state.now + SETTINGS_INTERVAL;
        let settings = self.settings(ctx);
        let Some(path) = self.settings_path.clone().filter(|_| settings != self.saved) else { return };
        match settings.to_toml() {
            Ok(text) => self.io.ask(IoRequest::Write { path, text }),
            Err(error) => tracing::warn!(%error, "the settings cannot be written as TOML"),
        }
        self.saved = settings;
    }
}

/// An [`App`] in eframe's hands.
struct Window {
    app: App<Worker>,
    ctx: egui::Context,
    opened: Instant,
    /// The first frame with a mask has been told to the log (`DISTILLSCOPE_LOG=info`): the figure of a start.
    reported: bool,
    profile: bool,
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.app.tick(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.app.draw(ui);
        if !self.reported && self.app.state.mask.is_some() {
            self.reported = true;
            let loading = self.app.state.comparison.is_none();
            tracing::info!(milliseconds = self.opened.elapsed().as_millis(), loading, "image, labels and masks drawn");
        }
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.app.save_settings(&self.ctx);
        if self.profile {
            match self.app.state.frame_times.summary() {
                Some(summary) => eprintln!("distillscope: {summary}"),
                None => eprintln!("distillscope: no frame was drawn in the last minute"),
            }
        }
    }
}

/// Opens the window and returns when it is closed.
pub fn run(options: Options) -> anyhow::Result<()> {
    let opened = Instant::now();
    let path = Settings::path();
    let (settings, complaint) = path.as_deref().map_or_else(Default::default, Settings::read);
    let layout = settings.window;
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("distillscope")
            .with_app_id("distillscope")
            .with_icon(icon::icon())
            .with_inner_size([layout.width, layout.height])
            .with_min_inner_size(WindowLayout::MIN)
            .with_maximized(layout.maximized)
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Glow,
        ..eframe::NativeOptions::default()
    };
    let made = move |creation: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
        let ctx = creation.egui_ctx.clone();
        let wake = ctx.clone();
        let worker = Worker::start(move || wake.request_repaint())?;
        let mut app = App::new(&ctx, worker, settings, path, &options);
        if let Some(complaint) = complaint {
            app.tell(&ctx, t!("settings"), complaint);
        }
        Ok(Box::new(Window { app, ctx, opened, reported: false, profile: options.profile }))
    };
    eframe::run_native("distillscope", native, Box::new(made))
        .map_err(|error| anyhow::anyhow!("the window cannot be opened: {error}"))
}
