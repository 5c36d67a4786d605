//! Pascal VOC XML: one file an image, one `<object>` a box.
//!
//! VOC counts pixels from 1 and a box includes its last column, so pixel n covers [n − 1, n]: the box from xmin to xmax
//! spans x from xmin − 1 to xmax, as VOC's own tools measure it. Tools that count from 0 write this format too; a
//! coordinate of 0, which VOC cannot have, is the border itself and no reason to warn. A box whose ends are equal
//! would be one pixel wide by the letter, but in practice is a slip of the mouse, and is skipped.
//!
//! `difficult`, poses and an object's parts are not read. Entities are never expanded.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Reading, excerpt};

/// Elements in elements; VOC needs four.
const MAX_DEPTH: usize = 32;
const CORNERS: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

#[derive(Default)]
struct Object {
    line: usize,
    name: Option<String>,
    has_box: bool,
    /// As the file has them, in the order of [`CORNERS`]; what is no number is `None`.
    corners: [Option<f64>; 4],
}

pub(super) fn read(content: &str, reading: &mut Reading) {
    let mut reader = Reader::from_str(content);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().allow_dangling_amp = true;
    let mut lines = LineCounter { content, offset: 0, line: 1 };
    let mut path: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut object = None;
    let mut size = [0.0; 2];
    let mut seen_root = false;
    loop {
        let event = reader.read_event();
        let line = lines.at(reader.buffer_position());
        match event {
            Ok(Event::Start(start)) => {
                let name = start.local_name().as_ref().to_owned();
                if path.len() >= MAX_DEPTH {
                    return reading
                        .warn(Some(line), format!("elements more than {MAX_DEPTH} deep; the rest is left out"));
                }
                if path.is_empty() && !std::mem::replace(&mut seen_root, true) && name != "annotation" {
                    reading.warn(Some(line), format!("the root is <{}>, not <annotation>", excerpt(&name)));
                }
                if path.len() == 1 && name == "object" {
                    object = Some(Object { line, ..Object::default() });
                }
                path.push(name);
                value.clear();
            }
            Ok(Event::Text(text)) => value.push_str(&text),
            Ok(Event::CData(text)) => value.push_str(&text),
            Ok(Event::GeneralRef(reference)) => match reference.resolve_char_ref() {
                Ok(Some(character)) => value.push(character),
                _ => value.push_str(predefined(&reference)),
            },
            Ok(Event::End(_)) => {
                let inner: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
                let text = value.trim();
                match (inner.as_slice(), &mut object) {
                    (["size", "width"], _) => size[0] = text.parse().unwrap_or(0.0),
                    (["size", "height"], _) => size[1] = text.parse().unwrap_or(0.0),
                    (["size"], _) => reading.check_size(Some(line), size[0], size[1]),
                    (["object", "name"], Some(object)) => object.name = Some(text.to_owned()),
                    (["object", "bndbox"], Some(object)) => object.has_box = true,
                    (["object", "bndbox", corner], Some(object)) => {
                        if let Some(index) = CORNERS.iter().position(|known| known == corner) {
                            object.corners[index] = text.parse().ok().filter(|value: &f64| value.is_finite());
                        }
                    }
                    (["object"], _) => {
                        if let Some(object) = object.take() {
                            take(object, reading);
                        }
                    }
                    _ => {}
                }
                path.pop();
                value.clear();
            }
            Ok(Event::Eof) if path.is_empty() && seen_root => return,
            Ok(Event::Eof) => {
                return reading.warn(Some(line), "the XML ends too early; what comes before is used");
            }
            Ok(_) => {}
            Err(error) => {
                let line = lines.at(reader.error_position());
                return reading.warn(Some(line), format!("not well-formed XML: {error}; what comes before is used"));
            }
        }
    }
}

fn predefined(entity: &str) -> &'static str {
    match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "\u{FFFD}",
    }
}

fn take(object: Object, reading: &mut Reading) {
    let line = Some(object.line);
    let Some(name) = object.name.filter(|name| !name.is_empty()) else {
        return reading.warn(line, "object skipped: it has no <name>");
    };
    let what = format!("object '{}'", excerpt(&name));
    if !object.has_box {
        return reading.warn(line, format!("{what} skipped: it has no <bndbox>"));
    }
    let [Some(xmin), Some(ymin), Some(xmax), Some(ymax)] = object.corners else {
        return reading
            .warn(line, format!("{what} skipped: its <bndbox> lacks a number for one of {}", CORNERS.join(", ")));
    };
    if xmax <= xmin || ymax <= ymin {
        return reading
            .warn(line, format!("{what} skipped: from {xmin}, {ymin} to {xmax}, {ymax} it has no width or no height"));
    }
    let Some(class) = reading.class_named(&name) else {
        return reading.warn(line, format!("{what} skipped: the data's names do not have it"));
    };
    let first = |coordinate: f64| {
        if (0.0..1.0).contains(&coordinate) { 0.0 } else { coordinate - 1.0 }
    };
    reading.push(line, &what, class, [first(xmin), first(ymin), xmax, ymax]);
}

/// Line numbers of offsets that never go back, each byte looked at once.
struct LineCounter<'a> {
    content: &'a str,
    offset: usize,
    line: usize,
}

impl LineCounter<'_> {
    fn at(&mut self, offset: u64) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(self.content.len());
        if offset > self.offset {
            let passed = &self.content.as_bytes()[self.offset..offset];
            self.line += passed.iter().filter(|byte| **byte == b'\n').count();
            self.offset = offset;
        }
        self.line
    }
}
