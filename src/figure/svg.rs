//! The SVG under construction: elements in order, written by an XML writer once the widths of all texts are known.

use std::io;

use ecolor::Color32;
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::look::{Background, Look};
use super::raster::{Figure, FigureError};
use super::text::{FAMILY, Text, measured};

/// Attributes by name.
pub(super) type Attributes = Vec<(&'static str, String)>;

/// A place on the page: x, y, width, height.
pub(super) type Place = (f32, f32, f32, f32);

#[derive(Clone, Debug)]
enum Node {
    Open(&'static str, Attributes),
    Close(&'static str),
    Empty(&'static str, Attributes),
    Text(Text, Attributes),
}

/// How a shape is painted; what is empty or 0 is left to SVG, and opacity 0 is opaque.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style<'s> {
    pub fill: &'s str,
    pub stroke: &'s str,
    /// Of the stroke.
    pub width: f32,
    pub opacity: f32,
    pub dash: &'s str,
    pub cap: &'s str,
    pub join: &'s str,
}

impl<'s> Style<'s> {
    pub fn fill(fill: &'s str) -> Self {
        Self { fill, ..Self::default() }
    }

    pub fn line(stroke: &'s str, width: f32) -> Self {
        Self { fill: "none", stroke, width, ..Self::default() }
    }

    fn attributes(&self) -> Attributes {
        let number =
            |value: f32| if value > 0.0 { format!("{}", (value * 1000.0).round() / 1000.0) } else { String::new() };
        let opacity = if self.stroke.is_empty() { "fill-opacity" } else { "stroke-opacity" };
        let all = [
            ("fill", self.fill.to_owned()),
            ("stroke", self.stroke.to_owned()),
            (opacity, number(self.opacity)),
            ("stroke-width", number(self.width)),
            ("stroke-dasharray", self.dash.to_owned()),
            ("stroke-linecap", self.cap.to_owned()),
            ("stroke-linejoin", self.join.to_owned()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// Elements in the order in which they are painted.
#[derive(Clone, Debug, Default)]
pub(super) struct Svg {
    definitions: Vec<Node>,
    body: Vec<Node>,
    /// Photographs and gradients that are defined already.
    known: Vec<String>,
}

fn px(value: f32) -> String {
    format!("{value:.2}")
}

pub(super) fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// An opaque colour.
pub(super) fn opaque(color: Color32) -> String {
    let [r, g, b, _] = color.to_array();
    hex([r, g, b])
}

pub(super) fn at((x, y, width, height): Place) -> Attributes {
    vec![("x", px(x)), ("y", px(y)), ("width", px(width)), ("height", px(height))]
}

/// Attributes of plain words.
pub(super) fn words<const N: usize>(words: [(&'static str, &str); N]) -> Attributes {
    words.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

impl Svg {
    pub fn add(&mut self, name: &'static str, attributes: Attributes) {
        self.body.push(Node::Empty(name, attributes));
    }

    pub fn rect(&mut self, place: Place, style: Style<'_>) {
        self.add("rect", [at(place), style.attributes()].concat());
    }

    pub fn path(&mut self, path: &str, style: Style<'_>) {
        self.add("path", [words([("d", path)]), style.attributes()].concat());
    }

    pub fn dot(&mut self, (x, y): (f32, f32), radius: f32, fill: &str) {
        let place = vec![("cx", px(x)), ("cy", px(y)), ("r", radius.to_string())];
        self.add("circle", [place, Style::fill(fill).attributes()].concat());
    }

    /// A text with its baseline starting at (x, y); `anchor` is start, middle or end.
    pub fn text(&mut self, text: &Text, x: f32, y: f32, fill: &str, anchor: &str) {
        let mut attributes = vec![("x", px(x)), ("y", px(y)), ("font-size", text.size.to_string())];
        attributes.extend(text.bold.then(|| ("font-weight", "700".to_owned())));
        attributes.extend((anchor != "start").then(|| ("text-anchor", anchor.to_owned())));
        attributes.extend(Style::fill(fill).attributes());
        self.body.push(Node::Text(text.clone(), attributes));
    }

    pub fn open(&mut self, name: &'static str, attributes: Attributes) {
        self.body.push(Node::Open(name, attributes));
    }

    pub fn close(&mut self, name: &'static str) {
        self.body.push(Node::Close(name));
    }

    /// An element that others refer to, with elements of one name inside.
    pub fn define(&mut self, name: &'static str, attributes: Attributes, of: &'static str, inside: Vec<Attributes>) {
        self.definitions.push(Node::Open(name, attributes));
        self.definitions.extend(inside.into_iter().map(|attributes| Node::Empty(of, attributes)));
        self.definitions.push(Node::Close(name));
    }

    /// The number of a definition among those that begin alike, and whether it is asked for for the first time.
    pub fn number(&mut self, kind: &str, name: &str) -> (usize, bool) {
        let name = format!("{kind} {name}");
        let mut alike = self.known.iter().filter(|known| known.starts_with(kind));
        if let Some(number) = alike.clone().position(|known| *known == name) {
            return (number, false);
        }
        let number = alike.by_ref().count();
        self.known.push(name);
        (number, true)
    }

    pub fn finish(self, title: &str, width: f32, height: f32, look: &Look) -> Result<Figure, FigureError> {
        let names = [("xmlns", "http://www.w3.org/2000/svg"), ("xmlns:xlink", "http://www.w3.org/1999/xlink")];
        let view = format!("0 0 {width} {height}");
        let view = words([("viewBox", &view), ("font-family", FAMILY)]);
        let root = [words(names), look.size(width, height).to_vec(), view].concat();
        let (all, white) = ((0.0, 0.0, width, height), Style::fill("#ffffff").attributes());
        let ground = (look.background == Background::White).then(|| Node::Empty("rect", [at(all), white].concat()));
        let mut nodes = vec![Node::Open("svg", root), Node::Open("title", Vec::new())];
        nodes.push(Node::Text(Text::new(title, 0.0), Vec::new()));
        nodes.extend([Node::Close("title"), Node::Open("defs", Vec::new())]);
        nodes.extend(self.definitions);
        nodes.push(Node::Close("defs"));
        nodes.extend(ground);
        nodes.extend(with_lengths(self.body));
        nodes.push(Node::Close("svg"));
        Ok(Figure { svg: written(&nodes)?, width, height, background: look.background })
    }
}

/// Writes into every text how long it is, so that with another font the layout stays.
fn with_lengths(mut body: Vec<Node>) -> Vec<Node> {
    let texts: Vec<&Text> =
        body.iter().filter_map(|node| if let Node::Text(text, _) = node { Some(text) } else { None }).collect();
    let mut widths = measured(&texts).into_iter();
    for node in &mut body {
        if let Node::Text(_, attributes) = node
            && let Some(width) = widths.next().filter(|width| *width > 0.0)
        {
            let adjust = ("lengthAdjust", "spacingAndGlyphs".to_owned());
            attributes.splice(0..0, [("textLength", px(width)), adjust]);
        }
    }
    body
}

/// A document of texts alone, each in a group of its number.
pub(super) fn sheet(texts: &[&Text]) -> Result<String, FigureError> {
    let mut svg = Svg::default();
    let root = [("xmlns", "http://www.w3.org/2000/svg"), ("width", "9"), ("height", "9"), ("font-family", FAMILY)];
    svg.open("svg", words(root));
    for (index, text) in texts.iter().enumerate() {
        svg.open("g", vec![("id", format!("t{index}"))]);
        svg.text(text, 0.0, 0.0, "#000", "start");
        svg.close("g");
    }
    svg.close("svg");
    written(&svg.body)
}

/// Documents one under another, each moved down to its place.
pub(super) fn nested(figures: &[Figure], width: f32, height: f32) -> Result<String, FigureError> {
    let mut writer = Writer::new(Vec::new());
    let view = format!("0 0 {width} {height}");
    let (width, height) = (width.to_string(), height.to_string());
    let root = [("xmlns", "http://www.w3.org/2000/svg"), ("width", &width), ("height", &height), ("viewBox", &view)];
    let mut top = 0.0;
    writer.create_element("svg").with_attributes(root).write_inner_content(|writer| {
        for figure in figures {
            let moved = format!("translate(0 {top})");
            let group = writer.create_element("g").with_attribute(("transform", moved.as_str()));
            group.write_text_content(BytesText::from_escaped(figure.svg.as_str()))?;
            top += figure.height;
        }
        Ok(())
    })?;
    text(writer)
}

fn written(nodes: &[Node]) -> Result<String, FigureError> {
    // A line an element.
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 0);
    let start = |name: &'static str, attributes: &Attributes| {
        BytesStart::new(name).with_attributes(attributes.iter().map(|(name, value)| (*name, value.as_str())))
    };
    for node in nodes {
        match node {
            Node::Open(name, attributes) => writer.write_event(Event::Start(start(name, attributes)))?,
            Node::Close(name) => writer.write_event(Event::End(BytesEnd::new(*name)))?,
            Node::Empty(name, attributes) => writer.write_event(Event::Empty(start(name, attributes)))?,
            Node::Text(text, attributes) => {
                let content = allowed(&text.content);
                if attributes.is_empty() {
                    writer.write_event(Event::Text(BytesText::new(&content)))?;
                    continue;
                }
                writer.write_event(Event::Start(start("text", attributes)))?;
                writer.write_event(Event::Text(BytesText::new(&content)))?;
                writer.write_event(Event::End(BytesEnd::new("text")))?;
            }
        }
    }
    text(writer)
}

fn text(writer: Writer<Vec<u8>>) -> Result<String, FigureError> {
    Ok(String::from_utf8(writer.into_inner()).map_err(io::Error::other)?)
}

/// Characters that XML forbids become replacement characters, breaks of lines spaces.
fn allowed(text: &str) -> String {
    let allowed = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
        c => c,
    };
    text.chars().map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_element_says_its_length_wherever_it_stands() {
        let mut svg = Svg::default();
        svg.text(&Text::new("00", 20.0), 50.0, 9.0, "#000", "end");
        svg.add("path", Vec::new());
        svg.text(&Text::new("", 20.0), 0.0, 0.0, "#000", "start");
        // Two figures of 1151 of 2048 units: 22.48.
        let written = written(&with_lengths(svg.body)).expect("XML");
        assert!(
            written.starts_with("<text textLength=\"22.48\" lengthAdjust=\"spacingAndGlyphs\" x=\"50.00\""),
            "{written}"
        );
        assert_eq!(written.matches("textLength").count(), 1);
        assert!(written.contains("<path/>\n<text x=\"0.00\""), "what is empty has no length");
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut svg = Svg::default();
        svg.text(&Text::new("<a href=\"x\">&\n\u{1}", 9.0), 0.0, 0.0, "\"<", "start");
        let written = written(&svg.body).expect("XML");
        assert!(written.contains(">&lt;a href=&quot;x&quot;&gt;&amp; \u{fffd}</text>"), "{written}");
        assert!(written.contains("fill=\"&quot;&lt;\""), "{written}");
    }

    #[test]
    fn definitions_are_numbered_by_kind() {
        let mut svg = Svg::default();
        let asked = [("photo", "a"), ("clip", "a"), ("photo", "b"), ("photo", "a")];
        assert_eq!(asked.map(|(kind, name)| svg.number(kind, name)), [(0, true), (0, true), (1, true), (0, false)]);
    }
}
