//! Pictures one after the other: an animated WebP or GIF, or numbered PNGs.
//!
//! Animated WebP is a small container of still ones (RFC 9649, section 2.7), and the `image` crate encodes those alone; so
//! the container is made here, and read back in the tests by that crate's decoder.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{Delay, DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageError, RgbImage, imageops};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::look::Look;
use super::raster::{FigureError, Frames};
use crate::files::atomic::{self, WriteError};

/// What a movie is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MovieFormat {
    /// Every colour; small files.
    #[default]
    WebP,
    /// 256 colours a picture; shown everywhere.
    Gif,
    /// A file a picture, numbered.
    Png,
}

impl MovieFormat {
    pub const ALL: [Self; 3] = [Self::WebP, Self::Gif, Self::Png];

    pub const fn name(self) -> &'static str {
        match self {
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Png => "PNG",
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Png => "png",
        }
    }

    /// By a file's extension.
    pub fn of(path: &Path) -> Result<Self, MovieError> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let known = Self::ALL.into_iter().find(|format| Some(format.extension()) == extension.as_deref());
        known.ok_or_else(|| MovieError::Format(path.to_owned()))
    }
}

/// How a movie is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MovieChoice {
    pub format: MovieFormat,
    /// Of a picture, px.
    pub width: u32,
    /// Of the whole; `None` gives every moment its time.
    pub seconds: Option<f64>,
    /// Pictures a second; `None` shows every moment once.
    pub fps: Option<f64>,
}

impl Default for MovieChoice {
    fn default() -> Self {
        Self { format: MovieFormat::WebP, width: Self::WIDTH, seconds: None, fps: None }
    }
}

/// Why a movie was not written.
#[derive(Debug, Error)]
pub enum MovieError {
    #[error("{}: a movie is a .webp, a .gif, or numbered .png files", .0.display())]
    Format(PathBuf),
    #[error("{0} px wide: a movie is 160 to 3840 px wide")]
    Width(u32),
    #[error("a movie of {0} s: it lasts more than 0 and at most 600 s")]
    Seconds(f64),
    #[error("{0} pictures a second: more than 0 and at most 50 are shown")]
    Fps(f64),
    #[error("a movie of {0} pictures: 3000 are the most; take fewer seconds or pictures a second")]
    TooLong(usize),
    #[error("there is nothing to show: no moments were recorded")]
    Empty,
    #[error(transparent)]
    Figure(#[from] FigureError),
    #[error("a picture cannot be encoded: {0}")]
    Picture(#[from] ImageError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{}: the folder cannot be made: {cause}; choose another one", path.display())]
    Folder { path: PathBuf, cause: io::Error },
}

/// Which moments are shown and how long each is.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    pub shown: Vec<usize>,
    /// ms
    pub each: u32,
}

impl MovieChoice {
    pub const WIDTH: u32 = 1280;
    pub const WIDTHS: std::ops::RangeInclusive<u32> = 160..=3840;
    pub const MOST_SECONDS: f64 = 600.0;
    const MOST_FPS: f64 = 50.0;
    const MOST_PICTURES: usize = 3000;
    /// Seconds a moment where nothing is asked for: as in the window.
    const PACE: f64 = 0.15;

    pub fn check(&self) -> Result<(), MovieError> {
        if !Self::WIDTHS.contains(&self.width) {
            return Err(MovieError::Width(self.width));
        }
        let within = |value: f64, most: f64| value > 0.0 && value <= most;
        match (self.seconds, self.fps) {
            (Some(seconds), _) if !within(seconds, Self::MOST_SECONDS) => Err(MovieError::Seconds(seconds)),
            (_, Some(fps)) if !within(fps, Self::MOST_FPS) => Err(MovieError::Fps(fps)),
            _ => Ok(()),
        }
    }

    /// As it can be used, whatever a file says.
    pub fn checked(self) -> Self {
        if self.check().is_ok() { self } else { Self { format: self.format, ..Self::default() } }
    }

    /// The moments that are shown: spread evenly over all, the first and the last among them.
    pub fn timing(&self, frames: usize) -> Result<Timing, MovieError> {
        self.check()?;
        if frames == 0 {
            return Err(MovieError::Empty);
        }
        let count = match (self.seconds, self.fps) {
            (Some(seconds), Some(fps)) => (seconds * fps).round().max(1.0) as usize,
            // Faster than that nothing is seen.
            (Some(seconds), None) => frames.min((seconds * Self::MOST_FPS).floor().max(1.0) as usize),
            _ => frames,
        };
        if count > Self::MOST_PICTURES {
            return Err(MovieError::TooLong(count));
        }
        let each = match (self.seconds, self.fps) {
            (Some(seconds), _) => seconds / count as f64,
            (None, Some(fps)) => 1.0 / fps,
            (None, None) => Self::PACE,
        };
        let last = frames - 1;
        let at = |picture: usize| if count == 1 { last } else { (picture * last + (count - 1) / 2) / (count - 1) };
        Ok(Timing { shown: (0..count).map(at).collect(), each: (1000.0 * each).round().max(1.0) as u32 })
    }

    /// Writes the movie whole or not at all and gives back its files, one but for PNGs; `None` where `progress` (pictures done, all)
    /// broke it off.
    pub fn write(
        &self,
        path: &Path,
        frames: &dyn Frames,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<PathBuf>>, MovieError> {
        let Timing { shown, each } = self.timing(frames.frames())?;
        let look = Look::default();
        let first = frames.figure(shown[0], &look)?;
        let scale = self.width as f32 / first.width;
        let size = (self.width, ((first.height * scale).ceil() as u32).max(1));
        let picture = |frame: &usize| -> Result<RgbImage, MovieError> {
            let drawn = frames.figure(*frame, &look)?.picture(scale)?;
            // Later figures may be a line longer or shorter: all have the place of the first.
            let mut page = RgbImage::from_pixel(size.0, size.1, image::Rgb([255; 3]));
            imageops::replace(&mut page, &DynamicImage::ImageRgba8(drawn).into_rgb8(), 0, 0);
            Ok(page)
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|cause| MovieError::Folder { path: folder.to_owned(), cause })?;
        }
        let together = rayon::current_num_threads().max(1);
        let mut done = 0;
        // The pictures of a few moments at a time, encoded by `encode` beside each other and taken in order by `take`.
        let mut run = |encode: &(dyn Fn(RgbImage) -> Result<Encoded, MovieError> + Sync),
                       take: &mut dyn FnMut(Encoded) -> Result<(), MovieError>| {
            for some in shown.chunks(together) {
                if progress(done, shown.len()).is_break() {
                    return Ok(false);
                }
                let encoded: Result<Vec<Encoded>, MovieError> =
                    some.par_iter().map(|frame| encode(picture(frame)?)).collect();
                encoded?.into_iter().try_for_each(&mut *take)?;
                done += some.len();
            }
            Ok::<_, MovieError>(progress(done, shown.len()).is_continue())
        };
        match self.format {
            MovieFormat::WebP => {
                let mut stills = Vec::new();
                let whole = run(&|picture| still(&picture).map(Encoded::Bytes), &mut |encoded| {
                    if let Encoded::Bytes(bytes) = encoded {
                        stills.push(bytes);
                    }
                    Ok(())
                })?;
                if !whole {
                    return Ok(None);
                }
                atomic::write_with(path, |file| animated(file, &stills, size, each))?;
                Ok(Some(vec![path.to_owned()]))
            }
            MovieFormat::Gif => {
                let mut bytes = Vec::new();
                let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
                encoder.set_repeat(Repeat::Infinite)?;
                let delay = Delay::from_numer_denom_ms(each, 1);
                let whole = run(&|picture| Ok(Encoded::Picture(picture)), &mut |encoded| {
                    if let Encoded::Picture(picture) = encoded {
                        let picture = DynamicImage::ImageRgb8(picture).into_rgba8();
                        encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay))?;
                    }
                    Ok(())
                })?;
                drop(encoder);
                if !whole {
                    return Ok(None);
                }
                atomic::write(path, &bytes)?;
                Ok(Some(vec![path.to_owned()]))
            }
            MovieFormat::Png => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let stem = path.file_stem().map_or_else(|| "movie".into(), |stem| stem.to_string_lossy().into_owned());
                let failed = |cause| WriteError { path: folder.to_owned(), cause };
                // Beside their place until all are there.
                let beside = tempfile::Builder::new().prefix(".movie-").tempdir_in(folder).map_err(failed)?;
                let digits = shown.len().to_string().len().max(4);
                let mut names = Vec::new();
                let whole = run(&|picture| png(&picture).map(Encoded::Bytes), &mut |encoded| {
                    if let Encoded::Bytes(bytes) = encoded {
                        let name = format!("{stem}-{:0digits$}.png", names.len() + 1);
                        atomic::write(&beside.path().join(&name), &bytes)?;
                        names.push(name);
                    }
                    Ok(())
                })?;
                if !whole {
                    return Ok(None);
                }
                for name in &names {
                    std::fs::rename(beside.path().join(name), folder.join(name)).map_err(failed)?;
                }
                Ok(Some(names.iter().map(|name| folder.join(name)).collect()))
            }
        }
    }
}

enum Encoded {
    Bytes(Vec<u8>),
    Picture(RgbImage),
}

fn png(picture: &RgbImage) -> Result<Vec<u8>, MovieError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Paeth).write_image(
        picture,
        picture.width(),
        picture.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

/// A picture as the chunks of a still WebP without its header: what an `ANMF` chunk holds.
fn still(picture: &RgbImage) -> Result<Vec<u8>, MovieError> {
    /// `RIFF`, the length, `WEBP`.
    const HEADER: usize = 12;
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes).encode(
        picture,
        picture.width(),
        picture.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes.split_off(HEADER.min(bytes.len())))
}

/// The container around stills of one size that follow each other after `each` ms, without end.
fn animated(file: &mut dyn Write, stills: &[Vec<u8>], (width, height): (u32, u32), each: u32) -> io::Result<()> {
    const ANIMATED: u8 = 0b10;
    /// The picture takes the place of what was there.
    const NOT_BLENDED: u8 = 0b10;
    /// Offsets, sizes, duration and flags of a picture.
    const FRAME: usize = 16;
    let three = |value: u32| {
        let [a, b, c, _] = value.to_le_bytes();
        [a, b, c]
    };
    let size = [three(width - 1), three(height - 1)].concat();
    let length: usize = 4 + (8 + 10) + (8 + 6) + stills.iter().map(|still| 8 + FRAME + still.len()).sum::<usize>();
    let length = u32::try_from(length).map_err(|_| io::Error::other("more than 4 GB"))?;
    file.write_all(b"RIFF")?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(b"WEBPVP8X")?;
    file.write_all(&10_u32.to_le_bytes())?;
    file.write_all(&[ANIMATED, 0, 0, 0])?;
    file.write_all(&size)?;
    file.write_all(b"ANIM")?;
    file.write_all(&6_u32.to_le_bytes())?;
    // A white ground, and no end.
    file.write_all(&[255, 255, 255, 255, 0, 0])?;
    for still in stills {
        file.write_all(b"ANMF")?;
        file.write_all(&((FRAME + still.len()) as u32).to_le_bytes())?;
        file.write_all(&[0; 6])?;
        file.write_all(&size)?;
        file.write_all(&three(each))?;
        file.write_all(&[NOT_BLENDED])?;
        file.write_all(still)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;
    use image::codecs::webp::WebPDecoder;

    use super::*;
    use crate::figure::{Background, Figure};

    /// Squares of the colours that are named, 40 units a side.
    struct Squares(Vec<[u8; 3]>);

    impl Frames for Squares {
        fn frames(&self) -> usize {
            self.0.len()
        }

        fn figure(&self, frame: usize, _: &Look) -> Result<Figure, FigureError> {
            let [r, g, b] = self.0[frame];
            let svg = format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"20\"><rect width=\"40\" height=\"20\" \
                 fill=\"rgb({r},{g},{b})\"/></svg>"
            );
            Ok(Figure { svg, width: 40.0, height: 20.0, background: Background::White })
        }
    }

    const COLORS: [[u8; 3]; 3] = [[255, 0, 0], [0, 128, 0], [10, 20, 250]];

    fn written(format: MovieFormat, folder: &Path) -> Vec<PathBuf> {
        let choice = MovieChoice { format, width: 160, seconds: Some(1.5), fps: None };
        let path = folder.join("m").with_extension(format.extension());
        let go = &mut |_, _| ControlFlow::Continue(());
        choice.write(&path, &Squares(COLORS.to_vec()), go).expect("a movie").expect("not broken off")
    }

    fn checked(frames: &[Frame], tolerance: u8) {
        assert_eq!(frames.len(), 3);
        for (frame, color) in frames.iter().zip(COLORS) {
            // 40 × 20 units at 4 px a unit; 1.5 s in three.
            assert_eq!(frame.buffer().dimensions(), (160, 80));
            assert_eq!(frame.delay().numer_denom_ms(), (500, 1));
            let found = frame.buffer().get_pixel(80, 40).0;
            assert!(found.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= tolerance), "{found:?} {color:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_by_another_decoder() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |path: &Path| io::BufReader::new(std::fs::File::open(path).expect("a file"));
        let webp = WebPDecoder::new(open(&written(MovieFormat::WebP, folder.path())[0])).expect("a WebP");
        assert!(webp.has_animation());
        checked(&webp.into_frames().collect_frames().expect("pictures"), 0);
        let gif = GifDecoder::new(open(&written(MovieFormat::Gif, folder.path())[0])).expect("a GIF");
        checked(&gif.into_frames().collect_frames().expect("pictures"), 4);
        let pngs = written(MovieFormat::Png, folder.path());
        let names: Vec<_> = pngs.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["m-0001.png", "m-0002.png", "m-0003.png"]);
        let second = image::open(&pngs[1]).expect("a PNG").into_rgb8();
        assert_eq!((second.dimensions(), second.get_pixel(5, 5).0), ((160, 80), COLORS[1]));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 5, "nothing else is left");
    }

    #[test]
    fn what_is_broken_off_leaves_nothing_and_what_was_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        for format in MovieFormat::ALL {
            let path = folder.path().join("old").with_extension(format.extension());
            std::fs::write(&path, "old").expect("written");
            let choice = MovieChoice { format, width: 160, ..MovieChoice::default() };
            let stop = &mut |done, _| if done > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            assert!(choice.write(&path, &Squares(COLORS.to_vec()), stop).expect("no error").is_none());
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), "old");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 3);
    }

    #[test]
    fn moments_are_spread_over_the_time_that_is_asked_for() {
        let timing = |seconds, fps, frames| {
            let choice = MovieChoice { seconds, fps, ..MovieChoice::default() };
            choice.timing(frames).map(|Timing { shown, each }| (shown, each)).map_err(|error| error.to_string())
        };
        assert_eq!(timing(None, None, 3), Ok((vec![0, 1, 2], 150)));
        assert_eq!(timing(None, Some(4.0), 3), Ok((vec![0, 1, 2], 250)));
        assert_eq!(timing(Some(3.0), None, 3), Ok((vec![0, 1, 2], 1000)));
        // Two pictures a second for two seconds: of nine moments the first, the last and two between; of two each twice.
        assert_eq!(timing(Some(2.0), Some(2.0), 9), Ok((vec![0, 3, 5, 8], 500)));
        assert_eq!(timing(Some(2.0), Some(2.0), 2), Ok((vec![0, 0, 1, 1], 500)));
        assert_eq!(timing(Some(0.02), None, 9), Ok((vec![8], 20)));
        let says = |found: Result<_, String>, what: &str| assert!(found.is_err_and(|why| why.contains(what)), "{what}");
        says(timing(Some(0.0), None, 3), "a movie of 0 s");
        says(timing(Some(f64::NAN), None, 3), "NaN s");
        says(timing(None, Some(51.0), 3), "51 pictures a second");
        says(timing(Some(600.0), Some(50.0), 3), "30000 pictures");
        says(timing(None, None, 0), "no moments");
        assert!(MovieChoice { width: 100, ..MovieChoice::default() }.check().is_err());
        assert_eq!(MovieFormat::of(Path::new("a/b.GIF")).expect("a format"), MovieFormat::Gif);
        assert!(
            MovieFormat::of(Path::new("a.mp4")).is_err_and(|why| why.to_string().contains("a.mp4: a movie is a .webp"))
        );
    }
}
