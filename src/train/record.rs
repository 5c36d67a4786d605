//! What a run leaves behind while it runs: `results.csv`, TensorBoard event files, warnings.
