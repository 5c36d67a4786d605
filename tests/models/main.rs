//! Checkpoints, networks, what is computed from their outputs, and how they are judged; against YOLOv5 and PyTorch.

mod checkpoint_golden;
mod checkpoint_hostile;
mod checkpoint_write;
mod detection_loss;
mod difference_loss;
mod evaluate;
mod imitation_losses;
mod inspection;
mod network_common;
mod network_golden;
mod network_load;
mod review;
