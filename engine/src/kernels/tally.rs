//! How many gradients of parameters were worked out on this thread: tests ask whether frozen ones cost any.

#[cfg(test)]
thread_local! {
    static GRADIENTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Those of weight and bias, where they are asked for, are worked out now.
#[cfg(test)]
pub(super) fn add((weight, bias): (bool, bool)) {
    GRADIENTS.set(GRADIENTS.get() + usize::from(weight) + usize::from(bias));
}

/// Outside of tests nothing is counted.
#[cfg(not(test))]
pub(super) const fn add(_: (bool, bool)) {}

/// What `work` gives, and how many gradients of parameters it worked out.
#[cfg(test)]
pub(super) fn counted<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = GRADIENTS.get();
    let result = work();
    (result, GRADIENTS.get() - before)
}
