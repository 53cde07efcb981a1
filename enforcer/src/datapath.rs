//! The kernel programs and maps, seen from user space.
//!
//! The only module that imports aya.

pub mod document;
pub mod reading;

pub use document::Document;
pub use reading::Reading;
