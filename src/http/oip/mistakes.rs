//! Everything that is wrong with an inference request, collected while it is read.

use std::cell::{Cell, RefCell};

use crate::http::error::{ApiError, Code, MAX_LISTED_ERRORS};
use crate::http::problem::FieldProblem;
use crate::ml::json::Place;

/// What a client calls its members is not sent back without end.
const MAX_POINTER_CHARS: usize = 1000;

/// The mistakes found so far. Those beyond the number that is listed are only known to exist.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    found: RefCell<Vec<FieldProblem>>,
    more: Cell<bool>,
}

impl Mistakes {
    pub(super) fn push(&self, mistake: FieldProblem) {
        let mut found = self.found.borrow_mut();
        if found.len() < MAX_LISTED_ERRORS {
            found.push(mistake);
        } else {
            self.more.set(true);
        }
    }

    /// A mistake at a place of the request.
    pub(super) fn at(&self, place: Place<'_>, detail: impl Into<String>) {
        // A pointer is not made for a mistake that is not kept.
        if self.found.borrow().len() < MAX_LISTED_ERRORS {
            let pointer = place.pointer().chars().take(MAX_POINTER_CHARS).collect::<String>();
            self.push(FieldProblem::at_pointer(pointer, detail));
        } else {
            self.more.set(true);
        }
    }

    /// A mistake in a member of the object at `place`.
    pub(super) fn in_member(&self, place: Place<'_>, member: &str, detail: impl Into<String>) {
        self.at(Place::Member(&place, member), detail);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// # Errors
    /// 400 with all mistakes, if there are any.
    pub(super) fn or<T>(self, value: T) -> Result<T, ApiError> {
        match self.refusal() {
            None => Ok(value),
            Some(refusal) => Err(refusal),
        }
    }

    /// 400 with all mistakes, if there are any.
    pub(super) fn refusal(self) -> Option<ApiError> {
        let found = self.found.into_inner();
        (!found.is_empty()).then(|| ApiError::listing(Code::InvalidInference, found).truncated(self.more.get()))
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> Vec<String> {
        let place = |mistake: &FieldProblem| match (&mistake.pointer, &mistake.column) {
            (Some(pointer), _) => pointer.clone(),
            (None, column) => format!("{}:{}", mistake.row.unwrap_or_default(), column.as_deref().unwrap_or("-")),
        };
        self.found.borrow().iter().map(place).collect()
    }

    #[cfg(test)]
    pub(super) fn details(&self) -> Vec<String> {
        self.found.borrow().iter().map(|mistake| mistake.detail.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let mistakes = Mistakes::default();
        for index in 0..150 {
            mistakes.at(Place::Item(&Place::Root, index), "no");
        }
        let refusal = mistakes.refusal().unwrap();
        assert_eq!((refusal.errors().len(), refusal.is_truncated()), (100, true));
        assert_eq!(refusal.code(), Code::InvalidInference);
        assert!(Mistakes::default().or(7).is_ok_and(|value| value == 7));
    }
}
