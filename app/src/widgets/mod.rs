//! Parts that several views draw with. They keep no state of their own but what is given to them.

pub mod pane;
pub mod picker;
pub mod scale;
pub mod states;
