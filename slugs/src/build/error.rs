//! Owns the reasons why a build fails. Must not know what a builder does.

use super::detect::DetectError;
use super::project::ProjectError;
use super::toolbox::error::BuilderError;

/// Why a build failed. The output of the tool itself went to the progress callback.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The files that describe the app cannot be used.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// No builder fits, or the build did not leave what it should.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The builder failed.
    #[error(transparent)]
    BuilderRecord(#[from] BuilderError),
}
