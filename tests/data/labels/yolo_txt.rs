use super::*;

#[test]
fn shares_become_pixels() {
    // x: 320 ± 64, y: 120 ± 120; and x: 160 ± 80, y: 360 ± 60.
    let labels = read("a.txt", "2 0.5 0.25 0.2 0.5\n0 0.25 0.75 0.25 0.25\n", &[]);
    assert_eq!(boxes(&labels), [(2, [256.0, 0.0, 384.0, 240.0]), (0, [80.0, 300.0, 240.0, 420.0])]);
    assert_eq!(labels.warnings, []);
}

#[test]
fn a_warning_names_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = put(&folder, "labels/a.txt", "0 0.5 0.5 0.1 0.1\n\n0 0.5 0.5 0.1\n");
    let labels = labels_for_image(Path::new("a.jpg"), Some(&file), VGA, &[]).unwrap();
    assert_eq!(labels.labels.len(), 1);
    assert_eq!(labels.warnings[0].to_string(), format!("{}:3: expected 5 numbers, found 4", file.display()));
}

#[test]
fn bad_lines_are_warnings_and_the_others_are_used() {
    let labels = read(
        "a.txt",
        "-1 0.5 0.5 0.1 0.1\n\
         0.5 0.5 0.5 0.1 0.1\n\
         0 nan 0.5 0.1 0.1\n\
         0 0.5 0.5 0 0.1\n\
         0 0.5 0.5 0.1 -0.1\n\
         0 320 240 64 48\n\
         x 0.5 0.5 0.1 0.1\n\
         0 0.5 0.5 0.1 0.1 0.9 0.2 0.3\n\
         1e9 0.5 0.5 0.1 0.1\n\
         0 -0.5 0.5 0.5 0.5\n\
         1 0.5 0.5 0.5 0.5\n",
        &[],
    );
    assert_eq!(boxes(&labels), [(1, [160.0, 120.0, 480.0, 360.0])]);
    assert_eq!(
        warnings(&labels),
        [
            "1: line skipped: class -1 is not a whole number from 0 to 65535",
            "2: line skipped: class 0.5 is not a whole number from 0 to 65535",
            "3: line skipped: 'nan' is not a finite number",
            "4: box skipped: width 0 and height 48 must be greater than 0",
            "5: box skipped: width 64 and height -48 must be greater than 0",
            "6: line skipped: the box lies outside the image; coordinates are shares of its size, from 0 to 1",
            "7: line skipped: 'x' is not a finite number",
            "8: expected 5 numbers, or a class and pairs of x and y, found 8",
            "9: line skipped: class 1000000000 is not a whole number from 0 to 65535",
            "10: box skipped: it lies outside the image",
        ]
    );
}

#[test]
fn a_box_over_the_border_is_clipped_with_a_warning() {
    let labels = read("a.txt", "0 0.05 0.5 0.2 0.5\n", &[]);
    assert_eq!(boxes(&labels), [(0, [0.0, 120.0, 96.0, 360.0])]);
    assert_eq!(warnings(&labels), ["1: box reaches past the image; clipped to it"]);
}

#[test]
fn the_rounding_of_a_written_number_is_no_warning() {
    // 0.9 + 0.2000001 / 2 is over 1 by 3e-5 px.
    let labels = read("a.txt", "0 0.9 0.5 0.2000001 0.5\n", &[]);
    assert_eq!(labels.labels[0].bbox.x2, 640.0);
    assert_eq!(labels.warnings, []);
}

#[test]
fn a_polygon_becomes_its_bounding_box() {
    let labels = read("a.txt", "3 0.25 0.5 0.5 0.25 0.75 0.75 0.5 0.5\n0 0.5 0.5 0.5 0.5\n", &[]);
    assert_eq!(boxes(&labels), [(3, [160.0, 120.0, 480.0, 360.0]), (0, [160.0, 120.0, 480.0, 360.0])]);
    assert_eq!(labels.warnings, []);
}

#[test]
fn a_confidence_column_is_accepted_with_one_warning() {
    let labels = read("a.txt", "0 0.5 0.5 0.5 0.5 0.9\n0 0.25 0.25 0.5 0.5 0.8\n", &[]);
    assert_eq!(labels.labels.len(), 2);
    assert_eq!(warnings(&labels), ["1: a sixth column, taken for a confidence, is not used: are these detections?"]);
}

#[test]
fn duplicates_are_removed_with_a_warning() {
    let labels = read("a.txt", "0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n0 0.50 0.5 0.5 0.5\n", &[]);
    assert_eq!(labels.labels.iter().map(|label| label.class).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(warnings(&labels), ["3: box skipped: the same box of the same class comes earlier"]);
}

#[test]
fn a_class_past_the_names_is_kept_and_said() {
    let labels = read("a.txt", "2 0.5 0.5 0.5 0.5\n", &["cat", "dog"]);
    assert_eq!(labels.labels[0].class, 2);
    assert_eq!(warnings(&labels), ["1: class 2 is not among the 2 of the data"]);
}

#[test]
fn byte_order_mark_line_endings_tabs_and_blank_lines_are_fine() {
    let labels = read("a.txt", b"\xEF\xBB\xBF0.0\t0.5 0.5  0.5 0.5 \r\n\r\n1 0.5 0.5 0.25 0.25\r2 .5 .5 1 1", &[]);
    assert_eq!(labels.labels.iter().map(|label| label.class).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(labels.warnings, []);
}

#[test]
fn a_line_that_is_not_utf8_is_named() {
    let labels = read("a.txt", b"0 0.5 0.5 0.5 0.5\n\xFF\xFE\xFD\n", &[]);
    assert_eq!(labels.labels.len(), 1);
    assert_eq!(labels.warnings[0].line, Some(2));
}

#[test]
fn an_empty_file_is_a_background() {
    let labels = read("a.txt", "", &[]);
    assert_eq!((labels.labels.len(), labels.warnings.len()), (0, 0));
    assert!(labels.source.is_some());
}

#[test]
fn boxes_beyond_what_an_image_can_have_are_counted() {
    let lines: String = (0..21_000).map(|at| format!("{at} 0.5 0.5 0.5 0.5\n")).collect();
    let labels = read("a.txt", lines, &[]);
    assert_eq!(labels.labels.len(), 20_000);
    assert_eq!(labels.labels[19_999].class, 19_999);
    let said = warnings(&labels);
    assert!(said.iter().any(|warning| warning.contains("1000 boxes left out: an image has at most 20000")), "{said:?}");
}
