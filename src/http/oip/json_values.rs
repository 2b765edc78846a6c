//! Values of JSON that a request is made of: texts, parameters, lists and the members of objects.

use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use super::draft::Member;
use super::json_part::{Part, Reading};
use super::mistakes::Mistakes;
use crate::ml::json::Place;

/// Parameters of a request or a tensor, at most.
const MAX_PARAMETERS: usize = 100;

/// Where something is read, and whom mistakes are told.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) place: Place<'a>,
    pub(super) mistakes: &'a Mistakes,
}

impl<'a> At<'a> {
    fn member(&'a self, name: &'a str) -> At<'a> {
        At { place: Place::Member(&self.place, name), mistakes: self.mistakes }
    }

    fn item(&'a self, index: usize) -> At<'a> {
        At { place: Place::Item(&self.place, index), mistakes: self.mistakes }
    }

    pub(super) fn wrong(self, expected: &str, found: &str) {
        self.mistakes.at(self.place, format!("expected {expected}, found {found}"));
    }

    /// Reads an object: `take` reads the value of a member that is known.
    pub(super) fn members<'de, A: MapAccess<'de>>(
        self,
        mut object: A,
        known: &[&str],
        mut take: impl FnMut(&mut A, At<'_>, &str) -> Result<(), A::Error>,
    ) -> Result<(), A::Error> {
        let mut seen: Vec<String> = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            if known.contains(&name.as_str()) && !seen.contains(&name) {
                take(&mut object, self.member(&name), &name)?;
                seen.push(name);
                continue;
            }
            let detail = match seen.contains(&name) {
                true => "the object has this member more than once".to_owned(),
                false => format!("unknown member; known here: {}", known.join(", ")),
            };
            self.mistakes.in_member(self.place, &name, detail);
            object.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A string, or null for none.
pub(super) struct TextPart<'a>(pub(super) At<'a>);

impl Part for TextPart<'_> {
    type Found = Member<String>;

    fn wrong(self, found: &str) -> Member<String> {
        self.0.wrong("a string", found);
        Member::Wrong
    }

    fn null(self) -> Member<String> {
        Member::Absent
    }

    fn text(self, text: &str) -> Member<String> {
        Member::Is(text.to_owned())
    }
}

/// An object of strings, numbers and booleans, or null for none.
pub(super) struct ParametersPart<'a>(pub(super) At<'a>);

impl Part for ParametersPart<'_> {
    type Found = Map<String, Value>;

    fn wrong(self, found: &str) -> Map<String, Value> {
        self.0.wrong("an object of parameters", found);
        Map::new()
    }

    fn null(self) -> Map<String, Value> {
        Map::new()
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Map<String, Value>, A::Error> {
        let mut found = Map::new();
        let mut count = 0;
        while let Some(name) = object.next_key::<String>()? {
            count += 1;
            let at = self.0.member(&name);
            if count > MAX_PARAMETERS {
                object.next_value::<IgnoredAny>()?;
            } else if found.contains_key(&name) {
                at.mistakes.at(at.place, "the object has this member more than once");
                object.next_value::<IgnoredAny>()?;
            } else if let Some(value) = object.next_value_seed(Reading(ScalarPart(at)))? {
                found.insert(name, value);
            }
        }
        if count > MAX_PARAMETERS {
            self.0.wrong(&format!("at most {MAX_PARAMETERS} parameters"), &count.to_string());
        }
        Ok(found)
    }
}

struct ScalarPart<'a>(At<'a>);

impl Part for ScalarPart<'_> {
    type Found = Option<Value>;

    fn wrong(self, found: &str) -> Option<Value> {
        self.0.wrong("a string, a number or a boolean", found);
        None
    }

    fn flag(self, flag: bool) -> Option<Value> {
        Some(flag.into())
    }

    fn whole(self, number: i64) -> Option<Value> {
        Some(number.into())
    }

    fn number(self, number: f64) -> Option<Value> {
        Some(number.into())
    }

    fn text(self, text: &str) -> Option<Value> {
        Some(text.into())
    }
}

/// What an array holds.
pub(super) trait Item {
    type Found;
    const EXPECTED: &'static str;
    /// Of one array, at most.
    const MOST: usize;

    fn part<'a>(at: At<'a>) -> impl Part<Found = Self::Found> + 'a;
}

/// An array, or null for none.
pub(super) struct ListPart<'a, I>(At<'a>, PhantomData<I>);

impl<'a, I: Item> ListPart<'a, I> {
    pub(super) fn at(at: At<'a>) -> Self {
        Self(at, PhantomData)
    }
}

impl<I: Item> Part for ListPart<'_, I> {
    type Found = Member<Vec<I::Found>>;

    fn wrong(self, found: &str) -> Self::Found {
        self.0.wrong(I::EXPECTED, found);
        Member::Wrong
    }

    fn null(self) -> Self::Found {
        Member::Absent
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Found, A::Error> {
        let mut found = Vec::new();
        while found.len() < I::MOST {
            match items.next_element_seed(Reading(I::part(self.0.item(found.len()))))? {
                Some(item) => found.push(item),
                None => return Ok(Member::Is(found)),
            }
        }
        let mut count = found.len();
        while items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        if count > I::MOST {
            self.0.wrong(&format!("at most {}", I::MOST), &count.to_string());
            return Ok(Member::Wrong);
        }
        Ok(Member::Is(found))
    }
}
