//! Files that were derived of a clip.

use crate::store::DerivativeRow;

/// One of them.
#[derive(Debug, Clone)]
pub struct DerivedView(pub DerivativeRow);
