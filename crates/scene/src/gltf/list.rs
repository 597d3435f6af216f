//! Lists and maps of the JSON, whose memory is counted while they are read: an object of two bytes may take hundreds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use monotile::memory::reserve;
use monotile::{Result, limits};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::json::{Attributes, Whole};

/// What is counted.
const LISTED: &str = "what its JSON lists";

thread_local! {
    /// Bytes of what was read since [`counted`] began.
    static BYTES: Cell<u64> = const { Cell::new(0) };
    /// Why no more was read.
    static REFUSED: RefCell<Option<monotile::Error>> = const { RefCell::new(None) };
}

/// Reads with the lists counted from nothing.
///
/// # Errors
/// `Limit`, if they took too much, and `Memory`, if there was not enough; what `read` returns is then of no interest.
pub fn counted<T>(read: impl FnOnce() -> T) -> Result<T> {
    BYTES.set(0);
    let done = read();
    REFUSED.take().map_or(Ok(done), Err)
}

/// Counts something of so many bytes.
fn count<E: Error>(bytes: usize) -> Result<(), E> {
    BYTES.set(BYTES.get().saturating_add(bytes as u64));
    if BYTES.get() > limits::OBJECTS.get() { Err(refuse(limits::OBJECTS.refusal(LISTED, "more"))) } else { Ok(()) }
}

/// Keeps an error that the parser would make another of.
fn refuse<E: Error>(why: monotile::Error) -> E {
    REFUSED.set(Some(why));
    E::custom("it lists too much")
}

/// A list; none where the file says `null`.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = from.next_element()? {
                count(size_of::<T>())?;
                reserve(&mut all, 1, LISTED).map_err(refuse)?;
                all.push(one);
            }
            Ok(all)
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }
    from.deserialize_any(List(PhantomData))
}

/// The accessors of vertices, by semantic; none where the file says `null`.
pub fn attributes<'de, D: Deserializer<'de>>(from: D) -> Result<Attributes, D::Error> {
    struct Map;
    impl<'de> Visitor<'de> for Map {
        type Value = Attributes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Attributes, A::Error> {
            let mut all = BTreeMap::new();
            while let Some((name, at)) = from.next_entry::<String, Whole>()? {
                count(2 * size_of::<(String, Whole)>() + name.len())?;
                all.insert(name, at);
            }
            Ok(all)
        }

        fn visit_unit<E>(self) -> Result<Attributes, E> {
            Ok(BTreeMap::new())
        }
    }
    from.deserialize_any(Map)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A material takes some hundred times the memory of `{},`.
    #[test]
    fn objects_are_counted_by_what_they_take_and_refused_in_good_time() {
        let lines = |count: usize| format!(r#"{{"asset":{{"version":"2.0"}},"materials":[{}{{}}]}}"#, "{},".repeat(count));
        let read = |count| counted(|| serde_json::from_str::<super::super::json::Root>(&lines(count)).is_ok());
        assert!(read(1000).unwrap());
        let most = usize::try_from(limits::OBJECTS.get()).unwrap() / size_of::<super::super::json::Material>();
        let refused = read(most + 1).unwrap_err().to_string();
        assert_eq!(refused, "what its JSON lists: asks for more bytes, and the limit \"objects\" is 536870912");
        assert!(read(1).unwrap(), "the count begins anew");
    }
}
