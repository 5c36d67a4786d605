//! Records that are handed round as they are.

use std::ops::Deref;
use std::sync::Arc;

use crate::inspect::{DetectionView, Scene};

/// A record that is the same as another only where it is that very one.
#[derive(Debug)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    pub fn new(record: Arc<T>) -> Self {
        Self(record)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a student detected on an image when its run began.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    pub scene: Shared<Scene>,
    pub found: Arc<[DetectionView]>,
}
