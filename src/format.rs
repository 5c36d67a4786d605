//! Numbers as the window and the figures write them: three significant digits, a real minus sign, nothing hidden. And
//! templates, into which they go.

use std::borrow::Cow;

/// A text from outside (a file's name, a class, another library's message) as a piece of one line: `most` characters of it,
/// line breaks as spaces, and what would steer a terminal or turn the line round as its code.
pub fn outside(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut characters = text.trim().chars();
    for character in characters.by_ref().take(most) {
        match character {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => line.push(' '),
            c if c.is_control()
                || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') =>
            {
                line.extend(c.escape_unicode());
            }
            c => line.push(c),
        }
    }
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// A text as a field of a CSV file: quoted where it has to be.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

/// Three significant digits: `0.0123`, `1.23`, `123`, `1230`; `1.23e−5` and `1.23e8` far from one.
pub fn significant(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value < 0.0 { "−" } else { "" };
    let size = value.abs();
    if size.is_infinite() {
        return format!("{sign}∞");
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    // Rounding first settles to which decade 9.996 belongs.
    let rounded = format!("{size:.2e}");
    let Some((digits, exponent)) = rounded.split_once('e') else { return rounded };
    match exponent.parse::<i32>() {
        Ok(decade @ -4..=2) => format!("{sign}{size:.*}", (2 - decade).unsigned_abs() as usize),
        Ok(decade @ 3..=5) => {
            let unit = 10_f64.powi(decade - 2);
            format!("{sign}{:.0}", (size / unit).round() * unit)
        }
        _ => format!("{sign}{digits}e{}", exponent.replace('-', "−")),
    }
}

/// A number on an axis: as [`significant`] writes it, without zeros at the end of its decimals.
pub fn tick(value: f64) -> String {
    let text = significant(value);
    if text.contains('e') || !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds that work takes on, at the pace so far: `fraction` of it is done after `elapsed` seconds. `None` before there is a
/// pace, and at the end.
pub fn seconds_left(elapsed: f64, fraction: f32) -> Option<f64> {
    let tells = fraction > 0.05 && fraction < 1.0 && elapsed > 1.0;
    let fraction = f64::from(fraction);
    tells.then(|| elapsed * (1.0 - fraction) / fraction)
}

/// A whole number with its thousands apart.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A template such as `"step {step}"` with each `{name}` replaced by its value; a name without a value stays as it is.
pub fn filled(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut rest = template;
    let mut filled = String::with_capacity(rest.len() + 32);
    while let Some((before, name, after)) = placeholder(rest) {
        filled.push_str(before);
        filled += &value(name).unwrap_or_else(|| format!("{{{name}}}"));
        rest = after;
    }
    filled + rest
}

/// What stands before the first `{name}` of a template, the name, and what follows.
pub fn placeholder(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_has_to_be() {
        assert_eq!(
            ["a b", "a,b", "say \"x\"", "a\nb"].map(csv_field),
            ["a b", "\"a,b\"", "\"say \"\"x\"\"\"", "\"a\nb\""]
        );
    }

    #[test]
    fn what_comes_from_outside_stays_on_its_line() {
        assert_eq!(outside("a\nb\tc\r", 10), "a b c");
        assert_eq!(outside("\u{1b}[2Jx\u{7}\u{202e}y", 20), "\\u{1b}[2Jx\\u{7}\\u{202e}y");
        assert_eq!(outside("鳥 é", 9), "鳥 é");
        assert_eq!(outside(&"x".repeat(1_000_000), 3), "xxx…");
    }

    #[test]
    fn what_is_left_follows_from_the_pace() {
        // A quarter in 2 s: three times that.
        assert_eq!(seconds_left(2.0, 0.25), Some(6.0));
        assert_eq!((seconds_left(0.5, 0.25), seconds_left(2.0, 0.05), seconds_left(2.0, 1.0)), (None, None, None));
    }

    #[test]
    fn values_go_where_their_names_stand_in_a_template() {
        let value = |name: &str| (name == "a").then(|| "1".to_owned());
        assert_eq!(filled("{a} of {b}, {a}{", value), "1 of {b}, 1{");
        assert_eq!(placeholder("x {a} y"), Some(("x ", "a", " y")));
        assert_eq!(placeholder("x {a"), None);
    }

    #[test]
    fn three_significant_digits_at_every_size() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1.00"),
            (0.5, "0.500"),
            (12.345, "12.3"),
            (123.6, "124"),
            (999.6, "1000"),
            (9.996, "10.0"),
            (1234.0, "1230"),
            (46_563_709.0, "4.66e7"),
            (0.012_34, "0.0123"),
            (0.000_123_4, "0.000123"),
            (0.000_012_34, "1.23e−5"),
            (-2.5, "−2.50"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
        ] {
            assert_eq!(significant(value), text, "{value}");
        }
    }

    #[test]
    fn ticks_end_without_zeros() {
        assert_eq!([0.0, 12.0, -3.0, 5.5, 0.25, 100.0].map(tick), ["0", "12", "−3", "5.5", "0.25", "100"]);
        assert_eq!(tick(1.2e-7), "1.20e−7");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([999, 1000, 1_234_567].map(grouped), ["999", "1,000", "1,234,567"]);
    }
}
