pub mod anchors;
