//! Parts of a JSON text that are read as what they should be. What is something else is a mistake with its place, is
//! read over, and nothing is allocated for it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What is expected at a place. A method that is not written takes its kind of value for a mistake.
pub(super) trait Part: Sized {
    type Found;

    /// Tells the mistake.
    fn wrong(self, found: &str) -> Self::Found;

    fn null(self) -> Self::Found {
        self.wrong("null")
    }

    fn flag(self, flag: bool) -> Self::Found {
        self.wrong(if flag { "true" } else { "false" })
    }

    fn whole(self, number: i64) -> Self::Found {
        self.number(number as f64)
    }

    fn number(self, number: f64) -> Self::Found {
        self.wrong(&format!("the number {number}"))
    }

    fn text(self, _: &str) -> Self::Found {
        self.wrong("a string")
    }

    /// # Errors
    /// If the text is not JSON.
    fn list<'de, A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Found, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.wrong("an array"))
    }

    /// # Errors
    /// If the text is not JSON.
    fn object<'de, A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Found, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.wrong("an object"))
    }
}

/// A part as serde reads it.
pub(super) struct Reading<P>(pub(super) P);

impl<'de, P: Part> DeserializeSeed<'de> for Reading<P> {
    type Value = P::Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<P::Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, P: Part> Visitor<'de> for Reading<P> {
    type Value = P::Found;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<P::Found, E> {
        Ok(self.0.null())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<P::Found, E> {
        Ok(self.0.flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<P::Found, E> {
        Ok(self.0.whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<P::Found, E> {
        Ok(match i64::try_from(number) {
            Ok(number) => self.0.whole(number),
            Err(_) => self.0.number(number as f64),
        })
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<P::Found, E> {
        Ok(self.0.number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<P::Found, E> {
        Ok(self.0.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<P::Found, A::Error> {
        self.0.list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<P::Found, A::Error> {
        self.0.object(members)
    }
}
