//! What is counted over a whole set goes on, whichever views are seen.

use super::Studio;

impl Studio {
    /// Asks for what is counted as long as it is wanted.
    pub(super) fn go_on_counting(&self) {
        let document = self.history.document();
        let looks = [&document.looks, &self.view_ctx().document.looks];
        let is_whole = looks.iter().any(|looks| looks.whole_set);
        self.counts.end_frame(&self.session, is_whole.then_some(&document.source));
    }
}
