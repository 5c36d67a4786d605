//! From files to numbers: images, labels, data sets, augmentation, batches; and the masks that follow from boxes alone.

mod augment;
mod augment_boxes;
mod batches;
mod data_yaml;
mod images;
mod labels;
mod letterbox;
mod listing;
mod mask_golden;
mod mask_oracle;
mod samples;
mod survey;
