//! Parts that several views draw with. They keep no state of their own.
