//! Parts that several views draw with. They keep no state of their own but what is given to them.

pub mod end;
pub mod export;
pub mod fold;
pub mod hatch;
pub mod heat;
pub mod keys;
pub mod letter;
pub mod pane;
pub mod picker;
pub mod plot;
pub mod rows;
pub mod run_list;
pub mod scale;
mod severity;
pub mod states;
pub mod switches;
pub mod timeline;
pub mod tokenizer_card;
pub mod veil;
pub mod visible;

pub use severity::severity_color;
