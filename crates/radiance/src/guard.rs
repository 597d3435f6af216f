//! Decoders of other people, whose panics refuse a file and go no further.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IN_DECODER: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in the decoder of a picture or of packed bytes. A panic there refuses the file and goes no further, so that a panic hook need not
/// report it.
pub fn in_picture_decoder() -> bool {
    IN_DECODER.get()
}

/// What a decoder gives, if it does not panic: a file may be made for what its author has not thought of.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    IN_DECODER.set(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    IN_DECODER.set(false);
    decoded.ok()
}
