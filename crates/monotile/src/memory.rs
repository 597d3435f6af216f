//! Room in lists, or an error that says for what there is none.
//!
//! What a file decides the size of is taken through here: `Vec` itself ends the process where there is no memory.

use std::fmt::Display;

use monotile_kernels::process::fallible;

use crate::error::{Error, Result};

/// Makes room for so many more elements, or doubles the room if that is more, so that a list that grows bit by bit moves seldom.
///
/// # Errors
/// `Memory`, with the subject and how many bytes the list needs.
///
/// # Example
/// ```
/// use monotile::memory::reserve;
/// let mut list = vec![1_u32];
/// reserve(&mut list, 9, "tokens")?;
/// assert!(list.capacity() >= 10);
/// let refused = reserve(&mut list, 1 << 60, "tokens").unwrap_err();
/// assert_eq!(refused.to_string(), "tokens: needs 4611686018427387908 bytes of memory, which cannot be had");
/// # Ok::<(), monotile::Error>(())
/// ```
#[inline]
#[track_caller]
pub fn reserve<T>(list: &mut Vec<T>, more: usize, subject: impl Display) -> Result<()> {
    if list.capacity() - list.len() >= more {
        return Ok(());
    }
    // As much as there is already, as `Vec` does.
    let more = more.max(list.capacity());
    fallible(|| list.try_reserve_exact(more)).map_err(|_| refusal(list, more, subject))
}

/// Makes room for so many more elements and no others.
///
/// # Errors
/// As [`reserve`].
#[track_caller]
pub fn reserve_exact<T>(list: &mut Vec<T>, more: usize, subject: impl Display) -> Result<()> {
    fallible(|| list.try_reserve_exact(more)).map_err(|_| refusal(list, more, subject))
}

/// An empty list with room for so many elements.
///
/// # Errors
/// As [`reserve`].
#[track_caller]
pub fn list<T>(len: usize, subject: impl Display) -> Result<Vec<T>> {
    let mut list = Vec::new();
    reserve_exact(&mut list, len, subject)?;
    Ok(list)
}

/// A list of one value, so many times.
///
/// # Errors
/// As [`reserve`].
#[track_caller]
pub fn filled<T: Clone>(len: usize, value: T, subject: impl Display) -> Result<Vec<T>> {
    let mut list = list(len, subject)?;
    list.resize(len, value);
    Ok(list)
}

/// The elements of an iterator that tells how many it has.
///
/// # Errors
/// As [`reserve`].
#[track_caller]
pub fn collected<T>(elements: impl ExactSizeIterator<Item = T>, subject: impl Display) -> Result<Vec<T>> {
    let mut list = list(elements.len(), subject)?;
    list.extend(elements);
    Ok(list)
}

#[cold]
#[track_caller]
fn refusal<T>(list: &[T], more: usize, subject: impl Display) -> Error {
    Error::memory(subject, (list.len() as u128 + more as u128) * size_of::<T>() as u128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_cannot_be_had_is_an_error_with_its_subject() {
        let refused = |ended: Result<Vec<u64>>| {
            let error = ended.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Memory);
            error.to_string()
        };
        let words = "nodes: needs 9223372036854775808 bytes of memory, which cannot be had";
        assert_eq!(refused(list(1 << 60, "nodes")), words);
        assert_eq!(refused(filled(1 << 60, 1, "nodes")), words);
        assert_eq!(refused(collected((0..1_usize << 60).map(|_| 1), "nodes")), words);
    }

    #[test]
    fn a_list_has_what_was_asked_for() {
        assert_eq!(filled(3, 7, "nodes").unwrap(), [7; 3]);
        assert_eq!(collected([1, 2].iter(), "nodes").unwrap(), [&1, &2]);
        assert!(list::<u8>(5, "nodes").is_ok_and(|list| list.is_empty() && list.capacity() >= 5));
    }
}
