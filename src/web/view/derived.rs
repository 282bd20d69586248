//! Files that were derived of a clip.

use crate::domain::how_far::HowFar;
use crate::store::DerivativeRow;

/// One of them, and how far it is while it is being made.
#[derive(Debug, Clone)]
pub struct DerivedView(pub DerivativeRow, pub Option<HowFar>);
