use super::*;

fn object(name: &str, corners: [&str; 4]) -> String {
    let [xmin, ymin, xmax, ymax] = corners;
    format!(
        "<object><name>{name}</name><difficult>1</difficult>\n<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>\
         <xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>\n"
    )
}

fn annotation(objects: &[String]) -> String {
    format!(
        "<annotation>\n<size><width>640</width><height>480</height><depth>3</depth></size>\n{}</annotation>\n",
        objects.concat()
    )
}

#[test]
fn pixels_count_from_one_and_the_last_is_inside() {
    // Columns 11 to 20 are ten pixels, and cover 10 to 20.
    let labels = read("a.xml", annotation(&[object("dog", ["11", "21", "20", "60"])]), &["cat", "dog"]);
    assert_eq!(boxes(&labels), [(1, [10.0, 20.0, 20.0, 60.0])]);
    assert_eq!(labels.warnings, []);
}

#[test]
fn a_coordinate_of_zero_is_the_border() {
    let labels = read("a.xml", annotation(&[object("dog", ["0", "0", "640", "480"])]), &["dog"]);
    assert_eq!(boxes(&labels), [(0, [0.0, 0.0, 640.0, 480.0])]);
    assert_eq!(labels.warnings, []);
}

#[test]
fn bad_objects_are_warnings_with_their_lines() {
    let content = annotation(&[
        object("dog", ["181", "329", "181", "329"]),  // line 3
        object("dog", ["10", "40", "20", "30"]),      // line 5
        object("emu", ["1", "1", "9", "9"]),          // line 7
        object("dog", ["1", "1", "?", "9"]),          // line 9
        object("dog", ["600", "400", "700", "500"]),  // line 11
        object("", ["1", "1", "9", "9"]),             // line 13
        "<object><name>dog</name></object>\n".into(), // line 15
        object("dog", ["701", "1", "800", "9"]),      // line 16
    ]);
    let labels = read("a.xml", content, &["dog"]);
    assert_eq!(boxes(&labels), [(0, [599.0, 399.0, 640.0, 480.0])]);
    assert_eq!(
        warnings(&labels),
        [
            "3: object 'dog' skipped: from 181, 329 to 181, 329 it has no width or no height",
            "5: object 'dog' skipped: from 10, 40 to 20, 30 it has no width or no height",
            "7: object 'emu' skipped: the data's names do not have it",
            "9: object 'dog' skipped: its <bndbox> lacks a number for one of xmin, ymin, xmax, ymax",
            "11: object 'dog' reaches past the image; clipped to it",
            "13: object skipped: it has no <name>",
            "15: object 'dog' skipped: it has no <bndbox>",
            "16: object 'dog' skipped: it lies outside the image",
        ]
    );
}

#[test]
fn without_names_classes_come_in_the_order_of_the_file() {
    let content = annotation(&[
        object("dog", ["1", "1", "9", "9"]),
        object("cat", ["1", "1", "8", "8"]),
        object("dog", ["1", "1", "7", "7"]),
    ]);
    let labels = read("a.xml", content, &[]);
    assert_eq!(labels.labels.iter().map(|label| label.class).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(labels.names, ["dog", "cat"]);
}

#[test]
fn parts_of_an_object_are_not_objects() {
    let content = annotation(&["<object><part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin>\
        <xmax>3</xmax><ymax>3</ymax></bndbox></part><bndbox><xmax>50</xmax><xmin>11</xmin><ymax>60</ymax>\
        <ymin>21</ymin></bndbox><name> person </name></object>"
        .into()]);
    assert_eq!(boxes(&read("a.xml", content, &["person"])), [(0, [10.0, 20.0, 50.0, 60.0])]);
}

#[test]
fn another_size_than_the_images_is_said() {
    let content = "<annotation><size><width>320</width><height>240</height></size></annotation>";
    assert_eq!(
        warnings(&read("a.xml", content, &[])),
        ["1: made for an image of 320 × 240 px, but the image has 640 × 480"]
    );
    let unsaid = "<annotation><size><width>0</width><height>0</height></size></annotation>";
    assert_eq!(read("a.xml", unsaid, &[]).warnings, []);
}

#[test]
fn names_keep_their_special_characters_and_entities_stay_shut() {
    let content = annotation(&[object("R&amp;D &#60;1&gt; ", ["1", "1", "9", "9"])]);
    assert_eq!(read("a.xml", content, &[]).names, ["R&D <1>"]);
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]>\
        <annotation><object><name>&c;</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>\
        </bndbox></object></annotation>";
    assert_eq!(read("a.xml", bomb, &[]).names, ["\u{FFFD}"]);
}

#[test]
fn broken_xml_keeps_what_comes_before() {
    let mut content = annotation(&[object("dog", ["1", "1", "9", "9"])]);
    content.truncate(content.len() - "</annotation>\n".len());
    let labels = read("a.xml", format!("{content}<object></name>"), &["dog"]);
    assert_eq!(labels.labels.len(), 1);
    assert_eq!(labels.warnings[0].line, Some(5));
    assert_eq!(warnings(&read("a.xml", "", &[])), ["1: the XML ends too early; what comes before is used"]);
    assert_eq!(warnings(&read("a.xml", "<svg/>", &[])), ["1: the root is <svg>, not <annotation>"]);
}

#[test]
fn elements_nested_without_end_are_cut_off() {
    let labels = read("a.xml", "<a>".repeat(100_000), &[]);
    assert_eq!(labels.warnings.last().unwrap().message, "elements more than 32 deep; the rest is left out");
}

/// Looked for one by one, they would take minutes.
#[test]
fn a_name_is_found_among_any_number() {
    let count = 60_000;
    let objects: Vec<String> =
        (0..count).map(|at| object(&format!("class {at}"), ["1", "1", "2", &(2 + at).to_string()])).collect();
    let content = annotation(&objects);
    let labels = read("a.xml", &content, &[]);
    assert_eq!(labels.names.len(), count);
    assert_eq!(labels.names[count - 1], "class 59999");
    let known: Vec<String> = (0..count).rev().map(|at| format!("class {at}")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let labels = read("a.xml", &content, &known);
    assert_eq!(labels.labels[0].class, count - 1);
    assert_eq!(labels.labels[1].class, count - 2);
}
